//! Cutting what is to be said into messages that the relay takes.

/// Bytes of what is listed in one message, as JSON. A fourth of what the relay takes, so that a NATS server that is told to take less
/// takes it still, and so that others get a word in.
const PART_BYTES_MAX: usize = 128 * 1024;

/// The things in their order, in parts that are not too large together; one empty part when there are none. `bytes` tells how large
/// one is.
pub(crate) fn cut<T>(things: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut parts = Vec::new();
    let (mut part, mut part_bytes) = (Vec::new(), 0);
    for thing in things {
        let more = bytes(&thing);
        if part_bytes + more > PART_BYTES_MAX && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            part_bytes = 0;
        }
        part_bytes += more;
        part.push(thing);
    }
    parts.push(part);
    parts
}

/// How large a text is as a part of a list in JSON.
pub(crate) fn text_bytes(text: &str) -> usize {
    let bytes = |byte: u8| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(bytes).sum::<usize>() + 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_the_order_and_are_not_too_large() {
        assert_eq!(cut(Vec::<usize>::new(), |bytes| *bytes), [Vec::<usize>::new()]);
        let things: Vec<_> = (0..1_000).map(|n| n * 7).collect();
        let parts = cut(things.clone(), |bytes| *bytes);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.iter().sum::<usize>() <= PART_BYTES_MAX));
        assert_eq!(parts.concat(), things);
        assert_eq!(
            cut(vec![PART_BYTES_MAX * 2, 1], |bytes| *bytes).len(),
            2,
            "what is too large alone goes alone"
        );
    }

    #[test]
    fn no_text_is_larger_than_was_thought() {
        for text in ["", "a", "\u{1}\u{2}\n", r#"{"name":"\\"}"#, "äöü\u{1f600}"] {
            let list = serde_json::to_string(&[text, text]).unwrap();
            assert!(list.len() <= 2 * text_bytes(text) + "[]".len(), "{text}");
        }
    }
}
