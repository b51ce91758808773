//! Signed tokens: any node checks them with public keys alone.
//!
//! A token is a JSON Web Token in compact form, signed with ed25519 (`alg` `EdDSA`, RFC 8037), the key's id in the header.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey};
use nimaora_domain::{BattleId, ParticipantId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::verified::VerifiedTokens;

pub use ed25519_dalek::VerifyingKey;

/// The longest token that is looked at, in bytes; ours have about 450. A longer one is malformed.
pub const TOKEN_BYTES_MAX: usize = 1_024;

/// What the holder of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "role")]
pub enum Role {
    /// Everything that is not a player's own.
    Admin,
    /// Act, listen and read as this participant, while this session is its newest.
    #[serde(rename_all = "camelCase")]
    Participant {
        /// The battle.
        battle_id: BattleId,
        /// Who.
        participant_id: ParticipantId,
        /// The sign-in that the token was issued for.
        session_id: SessionId,
    },
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What the holder may do.
    pub role: Role,
    /// Until when; a token tells it in whole seconds, rounded down.
    pub expires_at: Timestamp,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("no token: send the metadata 'authorization: Bearer <token>'")]
    Missing,
    /// It has not the form of a token of ours.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// No key that is trusted here has signed it.
    #[error("the token is not signed by a key that this server trusts")]
    Forged,
    /// Its time is over.
    #[error("the token expired at {0}; sign in again")]
    Expired(Timestamp),
}

impl TokenError {
    /// The stable name of this error in the API (`ErrorInfo.reason`).
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "TOKEN_MISSING",
            Self::Malformed(_) => "TOKEN_MALFORMED",
            Self::Forged => "TOKEN_FORGED",
            Self::Expired(_) => "TOKEN_EXPIRED",
        }
    }
}

/// The algorithm's name in the header, and the only one that is accepted.
const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "JWT";

/// Unknown fields are refused, because some of them (`crit`) may not be passed over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Body {
    #[serde(flatten)]
    role: Role,
    /// Seconds since the Unix epoch, as RFC 7519 wants it.
    exp: i64,
}

/// Issues tokens. Holds the private key; only the command-service and the operator's tools have one.
pub struct TokenSigner {
    key: SigningKey,
    /// The encoded header and the dot after it, the same for every token of this key.
    header: String,
}

impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner")
            .field("key_id", &key_id(&self.key.verifying_key()))
            .finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// The signer whose private key is `seed`.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = SigningKey::from_bytes(&seed);
        let kid = key_id(&key.verifying_key());
        let header = format!(r#"{{"alg":"{ALGORITHM}","typ":"{TYPE}","kid":"{kid}"}}"#);
        Self { key, header: BASE64.encode(header) + "." }
    }

    /// The token that says `claims`.
    pub fn issue(&self, claims: &Claims) -> String {
        let body = Body { role: claims.role, exp: claims.expires_at.as_millis().div_euclid(1_000) };
        // A struct of ids and numbers has nothing that JSON cannot say.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut token = self.header.clone();
        BASE64.encode_string(body, &mut token);
        let signature = self.key.sign(token.as_bytes());
        token.push('.');
        BASE64.encode_string(signature.to_bytes(), &mut token);
        token
    }

    /// The public key that checks this signer's tokens.
    pub fn verifier_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }
}

/// Checks tokens with public keys. A token that was found good is remembered, so that its signature is computed once.
pub struct TokenVerifier {
    keys: Vec<(String, VerifyingKey)>,
    verified: VerifiedTokens,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|(id, _)| id).collect();
        f.debug_struct("TokenVerifier").field("key_ids", &ids).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// A verifier that trusts these keys and no other.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        let keys = keys.into_iter().map(|key| (key_id(&key), key)).collect();
        Self { keys, verified: VerifiedTokens::default() }
    }

    /// What the token says, if a trusted key signed it and it has not expired at `now_ms` (milliseconds since the Unix epoch).
    pub fn verify(&self, token: &str, now_ms: i64) -> Result<Claims, TokenError> {
        let claims = match self.verified.get(token) {
            Some(claims) => claims,
            None => {
                let claims = self.check(token)?;
                // An expired token is not worth the room.
                if now_ms < claims.expires_at.as_millis() {
                    self.verified.insert(token, claims);
                }
                claims
            }
        };
        if now_ms < claims.expires_at.as_millis() {
            Ok(claims)
        } else {
            Err(TokenError::Expired(claims.expires_at))
        }
    }

    /// [`verify`](Self::verify) for the value of an `authorization` header: `Bearer <token>`, the scheme in any case.
    pub fn verify_bearer(&self, authorization: Option<&str>, now_ms: i64) -> Result<Claims, TokenError> {
        let value = authorization.ok_or(TokenError::Missing)?;
        let (scheme, token) =
            value.split_once(' ').ok_or(TokenError::Malformed("it is no 'Bearer <token>'"))?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::Malformed("it is no 'Bearer <token>'"));
        }
        self.verify(token, now_ms)
    }

    fn check(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed("it is too long"));
        }
        let (signed, signature) =
            token.rsplit_once('.').ok_or(TokenError::Malformed("it has no three parts"))?;
        let (header, body) = signed.split_once('.').ok_or(TokenError::Malformed("it has no three parts"))?;
        let key = self.key_of(&decode(header)?)?;
        let signature = Signature::from_slice(&decode(signature)?)
            .map_err(|_| TokenError::Malformed("its signature is too short or too long"))?;
        key.verify_strict(signed.as_bytes(), &signature).map_err(|_| TokenError::Forged)?;
        let body: Body = serde_json::from_slice(&decode(body)?)
            .map_err(|_| TokenError::Malformed("its claims are not ours"))?;
        let expires_at = Timestamp::from_millis(body.exp.saturating_mul(1_000));
        Ok(Claims { role: body.role, expires_at })
    }

    fn key_of(&self, header: &[u8]) -> Result<&VerifyingKey, TokenError> {
        let header: Header<'_> =
            serde_json::from_slice(header).map_err(|_| TokenError::Malformed("its header is not ours"))?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(TokenError::Malformed("its algorithm is not EdDSA, or it is no JWT"));
        }
        self.keys.iter().find(|(id, _)| id == header.kid).map(|(_, key)| key).ok_or(TokenError::Forged)
    }
}

/// Only the canonical form is taken: no padding, no other alphabet, no bits left over.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64.decode(part).map_err(|_| TokenError::Malformed("a part of it is not canonical base64url"))
}

/// The first eight bytes of the key's SHA-256, in hex: enough to tell apart the few keys that are trusted at a time.
fn key_id(key: &VerifyingKey) -> String {
    let digest = Sha256::digest(key.as_bytes());
    hex::encode(&digest[..8])
}

#[cfg(test)]
mod tests;
