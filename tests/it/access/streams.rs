//! A stream of changes ends once its token may not read any more.

use std::time::Duration;

use super::kit::{ALL, Mount, Token, headers, update};
use crate::support::{Client, Events, TestApp};

const READER: &str = "read = true";

/// An application whose streams look at their tokens every two seconds.
fn app(mount: &Mount, more: &[(&str, &str)]) -> TestApp {
    mount.app(&[&[("idle_timeout", "4s")], more].concat())
}

fn open(client: &Client, token: &Token) -> Events {
    Events::open(client, "/api/events", &headers(&token.bearer())).0
}

/// Reports something, and waits until a stream has it.
fn goes_on(client: &Client, writer: &Token, stream: &mut Events, server: &str) {
    let mut sent = vec![("Content-Type", "application/json")];
    let bearer = writer.bearer();
    sent.extend(headers(&bearer));
    let reply = client.send("POST", "/api/status", &sent, update("r", server).as_bytes());
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (event, row) = stream.next().expect("the stream goes on");
    assert_eq!((event.as_str(), row["server"].as_str()), ("entry", Some(server)));
}

#[test]
fn the_stream_of_a_token_that_was_removed_or_lost_its_right_to_read_ends_and_others_stay() {
    let writer = Token::new("writer", ALL);
    let [gone, changed, shut, stays] =
        ["gone", "changed", "shut", "stays"].map(|id| Token::new(id, READER));
    let mount = Mount::new(&[&writer, &gone, &changed, &shut, &stays]);
    let app = app(&mount, &[("require_read_token", "true")]);
    let mut ending = [&gone, &changed, &shut].map(|token| open(&app, token));
    let mut staying = open(&app, &stays);
    let changed = Token::new("changed", READER);
    let shut = shut.table.replace(READER, "read = false");
    let stays = stays.table.replace(READER, "read = true\nnote = \"another note\"");
    let tables = [&writer.table, &changed.table, &shut, &stays].map(String::as_str);
    mount.swap_for(&tables.concat());
    for stream in &mut ending {
        stream.read_to_end();
    }
    goes_on(&app, &writer, &mut staying, "after");
}

#[test]
fn the_stream_of_a_token_that_expires_ends_and_others_stay() {
    let writer = Token::new("writer", ALL);
    let short = Token::new("short", &format!("{READER}\nexpires = 2026-04-21T11:00:00Z"));
    let long = Token::new("long", &format!("{READER}\nexpires = 2026-04-21T12:00:00Z"));
    let mount = Mount::new(&[&writer, &short, &long]);
    let app = app(&mount, &[]);
    let (mut ending, mut staying) = (open(&app, &short), open(&app, &long));
    app.advance(Duration::from_hours(1));
    ending.read_to_end();
    goes_on(&app, &writer, &mut staying, "after");
}

#[test]
fn while_everybody_may_read_a_stream_outlives_the_right_of_its_token_but_not_the_token() {
    let writer = Token::new("writer", ALL);
    let (shut, gone) = (Token::new("shut", READER), Token::new("gone", READER));
    let mount = Mount::new(&[&writer, &shut, &gone]);
    let app = app(&mount, &[]);
    let (mut staying, mut ending) = (open(&app, &shut), open(&app, &gone));
    let mut anonymous = Events::open(&app, "/api/events", &[]).0;
    let shut = shut.table.replace(READER, "");
    mount.swap_for(&[writer.table.as_str(), &shut].concat());
    ending.read_to_end();
    goes_on(&app, &writer, &mut staying, "after");
    assert_eq!(anonymous.next().unwrap().0, "entry");
}
