use uuid::Uuid;

use super::*;

const NOW_MS: i64 = 1_795_484_834_000;
const LATER_MS: i64 = NOW_MS + 60_000;

fn player(n: u128) -> Claims {
    Claims {
        role: Role::Participant {
            battle_id: BattleId(Uuid::from_u128(n)),
            participant_id: ParticipantId(Uuid::from_u128(n + 1)),
            session_id: SessionId(Uuid::from_u128(n + 2)),
        },
        expires_at: Timestamp::from_millis(LATER_MS),
    }
}

fn signer() -> TokenSigner {
    TokenSigner::from_seed([7; 32])
}

fn verifier() -> TokenVerifier {
    TokenVerifier::new([signer().verifier_key()])
}

/// A token of our key with this header and body, whatever they say.
fn signed(header: &str, body: &str) -> String {
    let text = format!("{}.{}", BASE64.encode(header), BASE64.encode(body));
    let signature = SigningKey::from_bytes(&[7; 32]).sign(text.as_bytes());
    format!("{text}.{}", BASE64.encode(signature.to_bytes()))
}

#[test]
fn says_what_was_signed_the_first_time_and_every_time_after() {
    let verifier = verifier();
    for claims in [player(1), Claims { role: Role::Admin, expires_at: Timestamp::from_millis(LATER_MS) }] {
        let token = signer().issue(&claims);
        assert!(token.len() <= TOKEN_BYTES_MAX);
        assert_eq!(verifier.verify(&token, NOW_MS), Ok(claims));
        assert_eq!(verifier.verify(&token, NOW_MS), Ok(claims));
    }
}

#[test]
fn is_read_from_the_authorization_header() {
    let token = signer().issue(&player(1));
    let verifier = verifier();
    assert_eq!(verifier.verify_bearer(Some(&format!("Bearer {token}")), NOW_MS), Ok(player(1)));
    assert_eq!(verifier.verify_bearer(Some(&format!("bearer {token}")), NOW_MS), Ok(player(1)));
    assert_eq!(verifier.verify_bearer(None, NOW_MS), Err(TokenError::Missing));
    for wrong in [token.clone(), format!("Basic {token}"), "Bearer".to_owned(), format!("Bearer  {token}")] {
        let error = verifier.verify_bearer(Some(&wrong), NOW_MS).unwrap_err();
        assert_eq!(error.reason(), "TOKEN_MALFORMED", "{wrong}");
    }
}

#[test]
fn is_refused_with_any_byte_changed() {
    let token = signer().issue(&player(1));
    let verifier = verifier();
    verifier.verify(&token, NOW_MS).unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let changed = String::from_utf8(bytes).unwrap();
        let error = verifier.verify(&changed, NOW_MS).unwrap_err();
        assert!(matches!(error, TokenError::Malformed(_) | TokenError::Forged), "byte {at}: {error}");
    }
}

#[test]
fn is_refused_when_cut_or_continued() {
    let token = signer().issue(&player(1));
    let verifier = verifier();
    for end in 0..token.len() {
        assert!(verifier.verify(&token[..end], NOW_MS).is_err(), "cut at {end}");
    }
    for more in ["A", "=", "==", ".", ".A", " ", "\n", "\0"] {
        assert!(verifier.verify(&format!("{token}{more}"), NOW_MS).is_err(), "continued with {more:?}");
        assert!(verifier.verify(&format!("{more}{token}"), NOW_MS).is_err(), "preceded by {more:?}");
    }
    assert!(verifier.verify(&"A".repeat(1_000_000), NOW_MS).is_err());
}

#[test]
fn is_refused_when_another_key_signed_it_even_under_our_key_id() {
    let other = TokenSigner::from_seed([8; 32]);
    let token = other.issue(&player(1));
    assert_eq!(verifier().verify(&token, NOW_MS), Err(TokenError::Forged));
    let (_, body_and_signature) = token.split_once('.').unwrap();
    let disguised = signer().header + body_and_signature;
    assert_eq!(verifier().verify(&disguised, NOW_MS), Err(TokenError::Forged));
}

#[test]
fn is_taken_from_every_trusted_key() {
    let other = TokenSigner::from_seed([8; 32]);
    let verifier = TokenVerifier::new([signer().verifier_key(), other.verifier_key()]);
    assert_eq!(verifier.verify(&signer().issue(&player(1)), NOW_MS), Ok(player(1)));
    assert_eq!(verifier.verify(&other.issue(&player(2)), NOW_MS), Ok(player(2)));
}

#[test]
fn expires_also_when_it_was_found_good_before() {
    let token = signer().issue(&player(1));
    let verifier = verifier();
    assert!(verifier.verify(&token, LATER_MS - 1).is_ok());
    let expired = TokenError::Expired(Timestamp::from_millis(LATER_MS));
    assert_eq!(verifier.verify(&token, LATER_MS), Err(expired.clone()));
    assert_eq!(verifier.verify(&token, i64::MAX), Err(expired));
}

#[test]
fn no_other_algorithm_is_talked_into() {
    let kid = key_id(&signer().verifier_key());
    let body = r#"{"role":"admin","exp":9999999999}"#;
    let good = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#);
    assert!(verifier().verify(&signed(&good, body), NOW_MS).is_ok());
    for header in [
        format!(r#"{{"alg":"none","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"JOSE","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}","crit":["b64"],"b64":false}}"#),
        r#"{"alg":"EdDSA","typ":"JWT"}"#.to_owned(),
        "[]".to_owned(),
        String::new(),
    ] {
        let error = verifier().verify(&signed(&header, body), NOW_MS).unwrap_err();
        assert_eq!(error.reason(), "TOKEN_MALFORMED", "{header}");
    }
}

#[test]
fn claims_that_are_not_ours_are_refused_even_when_signed() {
    let kid = key_id(&signer().verifier_key());
    let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{kid}"}}"#);
    for body in [
        "",
        "{}",
        r#"{"role":"admin"}"#,
        r#"{"role":"root","exp":9999999999}"#,
        r#"{"role":"participant","exp":1}"#,
    ] {
        let error = verifier().verify(&signed(&header, body), NOW_MS).unwrap_err();
        assert_eq!(error.reason(), "TOKEN_MALFORMED", "{body}");
    }
}
