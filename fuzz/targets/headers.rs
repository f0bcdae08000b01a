//! Headers: `Accept-Encoding`, `If-None-Match` and `Last-Event-ID`.

use gitops_status_server::board::fuzzing::resumed_after;
use gitops_status_server::http::fuzzing;

/// What `Accept-Encoding` may have, and how much a client likes it, in thousandths.
const WEIGHTS: [(&str, u16); 6] = [
    ("", 1000),
    (";q=0", 0),
    ("; q=0.001", 1),
    (";q=0.5", 500),
    (" ;Q=1.0", 1000),
    (";q=0.000", 0),
];
const CODINGS: [&str; 7] = ["gzip", "br", "*", "identity", "deflate", "GZip", "bR"];

/// A client gets the coding that it likes best, and none that it did not ask for.
pub fn coding(input: &[u8]) {
    let anything = fuzzing::coding(input);
    let asked = String::from_utf8_lossy(input).to_ascii_lowercase();
    assert!(anything.is_none_or(|name| asked.contains(name) || asked.contains('*')), "{asked}");
    // The first of a name counts, so each is asked for once.
    let (mut elements, mut likes) = (Vec::new(), [None; 3]);
    for byte in input.iter().take(7) {
        let name = CODINGS[usize::from(byte % 7)];
        let (weight, likes_it) = WEIGHTS[usize::from(byte / 7 % 6)];
        let place = ["gzip", "br", "*"].iter().position(|it| name.eq_ignore_ascii_case(it));
        if place.is_some_and(|place| likes[place].is_some()) {
            continue;
        }
        elements.push(format!("{name}{weight}"));
        if let Some(place) = place {
            likes[place] = Some(likes_it);
        }
    }
    let [gzip, brotli, any] = likes;
    let (gzip, brotli) = (gzip.or(any).unwrap_or(0), brotli.or(any).unwrap_or(0));
    let expected = match (gzip, brotli) {
        (0, 0) => None,
        (gzip, brotli) if gzip >= brotli => Some("gzip"),
        _ => Some("br"),
    };
    let asked = elements.join(", ");
    assert_eq!(fuzzing::coding(asked.as_bytes()), expected, "{asked:?}");
}

/// A tag is known if it, or every tag, is in the list; a weak one like the strong one.
pub fn etag(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let is_weak = first % 2 == 1;
    let (tag, is_known) = fuzzing::tag(is_weak, |_| rest.to_vec());
    let digest = tag.trim_start_matches("W/").trim_matches('"');
    let list = String::from_utf8_lossy(rest);
    assert!(!is_known || list.contains('*') || list.contains(digest), "{list}");
    let mut expected = false;
    let (_, is_known) = fuzzing::tag(is_weak, |tag| {
        let strong = tag.trim_start_matches("W/");
        let elements = rest.iter().map(|byte| match byte % 16 {
            0 => strong.to_owned(),
            1 => format!("W/{strong}"),
            2 => "*".to_owned(),
            3 => strong.replace("-gzip", ""),
            4 => strong.to_uppercase(),
            5 => String::new(),
            _ => format!("\"{byte}\""),
        });
        let elements: Vec<String> = elements.collect();
        expected = rest.iter().any(|byte| byte % 16 < 3);
        elements.join(if first % 4 < 2 { "," } else { " , " }).into_bytes()
    });
    assert_eq!(is_known, expected);
}

/// A step has one name, and the steps of another process have others.
pub fn event_id(input: &[u8]) {
    const RUN: u64 = 0x0123_4567_89ab_cdef;
    let Ok(text) = std::str::from_utf8(input) else { return };
    for sent in [text.to_owned(), format!("{RUN:016x}-{text}")] {
        if let Some(number) = resumed_after(RUN, &sent) {
            assert_eq!(format!("{RUN:016x}-{number}"), sent);
        }
        assert_eq!(
            resumed_after(RUN + 1, &sent).filter(|_| sent.starts_with("0123456789abcdef")),
            None
        );
    }
    let number = u64::from(crc(input));
    assert_eq!(resumed_after(RUN, &format!("{RUN:016x}-{number}")), Some(number));
}

fn crc(input: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(input);
    crc.sum()
}
