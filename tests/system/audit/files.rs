//! What an auditor takes away: exports and receipts.

use super::*;

#[tokio::test]
async fn an_export_that_was_cut_off_goes_on_to_the_same_file() {
    let (folder, battle) = played().await;
    let (whole, cut) = (path(&folder, "whole.ndjson"), path(&folder, "cut.ndjson"));
    ends_with(0, &["export", &battle, "--output", &whole], &dir(&folder)).await;
    let bytes = std::fs::read(&whole).unwrap();
    assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 12);
    // As a kill leaves it: anywhere, also in the middle of a line.
    for length in [0, 1, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1, bytes.len()] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        ends_with(0, &["export", &battle, "--output", &cut], &dir(&folder)).await;
        assert_eq!(std::fs::read(&cut).unwrap(), bytes, "cut to {length} bytes");
    }
    let part = path(&folder, "part.ndjson");
    let range = ["export", &battle, "--from", "3", "--to", "5", "--output", &part];
    ends_with(0, &range, &dir(&folder)).await;
    let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    assert_eq!(std::fs::read(&part).unwrap(), lines[2..5].concat());
    // Somebody else's file stays as it is, also one without a newline, and one whose end alone is foreign.
    let other = path(&folder, "other.txt");
    let foreign_end = [lines[..3].concat().as_slice(), b"{\"position\":4,\"mine\":1}"].concat();
    let behind = [bytes.as_slice(), b"mine"].concat();
    let whole_file = b"{\"settings\":{\"keep\":true}}".as_slice();
    for content in [b"no export\nat all".as_slice(), whole_file, b"\xff\xfe", &foreign_end, &behind] {
        std::fs::write(&other, content).unwrap();
        ends_with(2, &["export", &battle, "--output", &other], &dir(&folder)).await;
        assert_eq!(std::fs::read(&other).unwrap(), content);
    }
    ends_with(2, &["export", &battle, "--output", "/dev/full"], &dir(&folder)).await;
    let backwards = ["export", &battle, "--output", &other, "--from", "10", "--to", "5"];
    assert!(ends_with(64, &backwards, &dir(&folder)).await.contains("--from 10 is behind --to 5"));
}

#[tokio::test]
async fn a_receipt_is_proven_by_key_and_events_and_refused_when_tampered_with() {
    let (folder, battle) = played().await;
    let (receipt, events) = (path(&folder, "receipt.json"), path(&folder, "events.ndjson"));
    ends_with(0, &["receipt", &battle, "--output", &receipt], &dir(&folder)).await;
    ends_with(0, &["export", &battle, "--output", &events], &dir(&folder)).await;
    let key = path(&folder, "secrets/receipt-public-key");
    let check = ["check-receipt", &receipt, "--public-key", &key];
    assert!(ends_with(0, &check, &[]).await.starts_with("GENUINE"));
    let proof = ["--events", &events];
    assert!(ends_with(0, &check, &proof).await.contains("these standings"));

    let text = std::fs::read_to_string(&receipt).unwrap();
    let tampered = text.replacen("bob", "ann", 1);
    assert_ne!(tampered, text);
    std::fs::write(&receipt, &tampered).unwrap();
    assert!(ends_with(1, &check, &[]).await.contains("the signature is not"));
    std::fs::write(&receipt, &text).unwrap();
    let other = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    ends_with(1, &["check-receipt", &receipt, "--public-key", other], &[]).await;
    let lines = std::fs::read_to_string(&events).unwrap();
    std::fs::write(&events, lines.replacen("number\\\":2", "number\\\":9", 1)).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("revision 2 (position 3)"));
    let shorter: Vec<_> = lines.split_inclusive('\n').take(11).collect();
    std::fs::write(&events, shorter.concat()).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("number of events"));
    std::fs::write(&events, lines.replace("\"position\":", "\"position\":1")).unwrap();
    assert!(ends_with(1, &check, &proof).await.contains("the position"));
}

#[tokio::test]
async fn a_receipt_takes_no_file_s_place_and_a_lost_key_is_not_made_anew() {
    let (folder, battle) = played().await;
    let taken = path(&folder, "diary.txt");
    std::fs::write(&taken, "mine").unwrap();
    ends_with(2, &["receipt", &battle, "--output", &taken], &dir(&folder)).await;
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");
    let key = path(&folder, "secrets/receipt-public-key");
    let public = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(path(&folder, "secrets/receipt-signing-key")).unwrap();
    assert!(ends_with(2, &["receipt", &battle], &dir(&folder)).await.contains("signs for it is gone"));
    assert_eq!(std::fs::read_to_string(&key).unwrap(), public);
    ends_with(2, &["check-receipt", "/dev/zero", "--public-key", public.trim()], &[]).await;
}
