//! Names of streams as subjects, one to one.
//!
//! `battle-7` is the subject `{prefix}.battle.7`: the name is split at its first `-`, so that all of a category have a subject
//! filter in common. A name without `-` has one token only. Bytes that a subject cannot hold are written `~` and two hex
//! digits, and an empty token as `~`.

use crate::types::Filter;

const ESCAPE: char = '~';

/// The subject of the stream with this name.
pub(super) fn of_stream(prefix: &str, stream: &str) -> String {
    let mut subject = String::with_capacity(prefix.len() + stream.len() + 2);
    subject.push_str(prefix);
    match stream.split_once('-') {
        Some((category, rest)) => {
            push_token(&mut subject, category);
            push_token(&mut subject, rest);
        }
        None => push_token(&mut subject, stream),
    }
    subject
}

/// A subject filter that lets through at least what `filter` does.
pub(super) fn of_filter(prefix: &str, filter: &Filter) -> String {
    let mut subject = prefix.to_owned();
    if let [only] = &filter.stream_prefixes[..]
        && let Some((category, _)) = only.split_once('-')
    {
        push_token(&mut subject, category);
        subject.push_str(".*");
    } else {
        subject.push_str(".>");
    }
    subject
}

fn push_token(subject: &mut String, part: &str) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    subject.push('.');
    if part.is_empty() {
        subject.push(ESCAPE);
    }
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'=' | b'+') {
            subject.push(char::from(byte));
        } else {
            subject.push(ESCAPE);
            subject.push(char::from(DIGITS[usize::from(byte >> 4)]));
            subject.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}
