//! A reader of server-sent events.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};

use serde_json::Value;

use super::{Client, Connection};

/// An open stream.
pub struct Events {
    pub head: String,
    lines: BufReader<Connection>,
    /// The last id that came.
    pub id: String,
    pub comments: usize,
    waiting: VecDeque<(String, Value)>,
}

impl Events {
    /// Opens a stream, and waits until it has begun; returns it and whether it has resumed.
    pub fn open(client: &Client, target: &str, headers: &[(&str, &str)]) -> (Self, bool) {
        let mut stream = Self::connect(client, target, headers);
        assert!(stream.head.starts_with("HTTP/1.1 200 "), "{}", stream.head);
        let (event, data) = stream.next().expect("a beginning");
        assert_eq!(event, "start");
        (stream, data["resumed"].as_bool().unwrap())
    }

    /// Sends the request and reads the head of the answer.
    pub fn connect(client: &Client, target: &str, headers: &[(&str, &str)]) -> Self {
        use std::io::Write;
        let mut request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut stream = client.connect();
        stream.write_all((request + "\r\n").as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "no answer: {head}");
        }
        let (id, waiting) = (String::new(), VecDeque::new());
        Self { head, lines, id, comments: 0, waiting }
    }

    /// Waits for the next event; `None` is the end of the stream.
    pub fn next(&mut self) -> Option<(String, Value)> {
        while self.waiting.is_empty() {
            let chunk = self.chunk()?;
            for block in chunk.split_terminator("\n\n") {
                self.take(block);
            }
        }
        self.waiting.pop_front()
    }

    /// Waits for the end of the stream, whatever comes before.
    pub fn read_to_end(&mut self) {
        while self.next().is_some() {}
    }

    /// Waits for a comment.
    pub fn wait_for_comment(&mut self) {
        let before = self.comments;
        while self.comments == before {
            let chunk = self.chunk().expect("the stream goes on");
            chunk.split_terminator("\n\n").for_each(|block| self.take(block));
        }
    }

    fn take(&mut self, block: &str) {
        let (mut event, mut data) = (String::new(), None);
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("event", name) => name.clone_into(&mut event),
                ("data", text) => {
                    assert!(data.is_none(), "data on several lines: {block}");
                    data = Some(serde_json::from_str(text).unwrap());
                }
                ("id", id) => id.clone_into(&mut self.id),
                ("", _) => self.comments += 1,
                ("retry", millis) => assert_eq!(millis, "2000"),
                (other, _) => panic!("an unknown field {other}: {block}"),
            }
        }
        // The event `alive` is for scripts: browsers hide comments from them.
        if event == "alive" {
            return;
        }
        if let Some(data) = data {
            self.waiting.push_back((event, data));
        }
    }

    /// Reads one chunk of the body. The server sends only whole events in a chunk.
    fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        let is_end = self.lines.read_line(&mut size).unwrap_or(0) == 0;
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if is_end || size == 0 {
            return None;
        }
        let mut chunk = vec![0; size + 2];
        std::io::Read::read_exact(&mut self.lines, &mut chunk).ok()?;
        chunk.truncate(size);
        Some(String::from_utf8(chunk).unwrap())
    }
}
