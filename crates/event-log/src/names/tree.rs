//! The keys of one battle's names: a tree of secrets, each of which two grow from, down to one leaf for each participant.
//!
//! Kept is the root alone, until a leaf is forgotten; then the roots of all subtrees that do not hold that leaf are kept in its place. The
//! way down goes by a hash, so nobody finds the way up: with the key of one participant nobody reads another's name, and with all that
//! is kept nobody reads a name whose leaf was forgotten.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_runtime::secrets::{self, SecretError};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

const SECRET_BYTES: usize = 32;
/// Steps from the root to a leaf. No battle has more than 2^20 participants.
const DEPTH: u32 = 20;
/// Names are filled up to a multiple of so many bytes, so that a sealed one does not tell how long it is.
const FILL_BYTES: usize = 32;
/// What a name's length stands in.
const LENGTH_BYTES: usize = 1;

/// The keys of one battle.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyTree {
    /// Disjoint, ordered by the leaves below them.
    subtrees: Vec<Subtree>,
}

#[derive(Clone, PartialEq, Eq)]
struct Subtree {
    /// Steps from the root.
    depth: u32,
    /// Which of its depth, from the left.
    place: u32,
    secret: [u8; SECRET_BYTES],
}

/// A text that is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not what was written there")]
pub struct NoTree;

impl KeyTree {
    /// New keys.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random() -> Result<Self, SecretError> {
        Ok(Self { subtrees: vec![Subtree { depth: 0, place: 0, secret: secrets::random()? }] })
    }

    /// Whether the key with this number is there.
    pub fn holds(&self, number: u32) -> bool {
        number < 1 << DEPTH && self.above(number).is_ok()
    }

    /// Forgets a key.
    pub fn forget(&mut self, number: u32) {
        let Ok(at) = self.above(number) else { return };
        let mut subtree = self.subtrees.remove(at);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        while subtree.depth < DEPTH {
            let [first, second] = subtree.halves();
            if second.is_above(number) {
                left.push(first);
                subtree = second;
            } else {
                right.push(second);
                subtree = first;
            }
        }
        right.reverse();
        left.append(&mut right);
        self.subtrees.splice(at..at, left);
    }

    /// Seals a name. `None` where the key is not there or the name is too long.
    pub(super) fn seal(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        number: u32,
        name: &str,
    ) -> Option<String> {
        let secret = self.key(battle_id, participant_id, number)?;
        let length = u8::try_from(name.len()).ok()?;
        let mut text = vec![length];
        text.extend_from_slice(name.as_bytes());
        text.resize(text.len().next_multiple_of(FILL_BYTES), 0);
        // It follows from the name, so that no two names are ever sealed under the same key with the same one.
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&hash(b"nimaora name nonce", &[&secret, &text])[..NONCE_LEN]);
        let mut out = nonce.to_vec();
        let tag = cipher(&secret)?
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
            .ok()?;
        out.extend_from_slice(&text);
        out.extend_from_slice(tag.as_ref());
        Some(STANDARD_NO_PAD.encode(out))
    }

    /// Reads a name. `None` where the key is not there or is not the one.
    pub(super) fn open(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        number: u32,
        sealed: &str,
    ) -> Option<String> {
        let secret = self.key(battle_id, participant_id, number)?;
        let mut bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = cipher(&secret)?.open_in_place(nonce, Aad::empty(), text).ok()?;
        let (&length, name) = text.split_first()?;
        debug_assert_eq!(LENGTH_BYTES, size_of_val(&length));
        String::from_utf8(name.get(..usize::from(length))?.to_vec()).ok()
    }

    /// The participant's own key, so that a number that is used twice, as after an append that failed, is two keys.
    fn key(
        &self,
        battle_id: BattleId,
        participant_id: ParticipantId,
        number: u32,
    ) -> Option<[u8; SECRET_BYTES]> {
        if number >= 1 << DEPTH {
            return None;
        }
        let mut subtree = self.subtrees.get(self.above(number).ok()?)?.clone();
        while subtree.depth < DEPTH {
            let [first, second] = subtree.halves();
            subtree = if second.is_above(number) { second } else { first };
        }
        let parts: [&[u8]; 3] = [&subtree.secret, battle_id.0.as_bytes(), participant_id.0.as_bytes()];
        Some(hash(b"nimaora name key", &parts))
    }

    /// The place of the subtree that the leaf is below.
    fn above(&self, number: u32) -> Result<usize, usize> {
        self.subtrees.binary_search_by(|subtree| {
            let height = DEPTH.saturating_sub(subtree.depth);
            subtree.place.cmp(&number.checked_shr(height).unwrap_or(0))
        })
    }
}

impl Subtree {
    fn halves(&self) -> [Self; 2] {
        [0, 1].map(|side: u8| Self {
            depth: self.depth + 1,
            place: 2 * self.place + u32::from(side),
            secret: hash(b"nimaora name tree", &[&self.secret, &[side]]),
        })
    }

    fn is_above(&self, number: u32) -> bool {
        number >> (DEPTH - self.depth) == self.place
    }
}

/// Each `what` is hashed with parts of the same lengths every time, but for the last one.
fn hash(what: &[u8], parts: &[&[u8]]) -> [u8; SECRET_BYTES] {
    let mut sha = Sha256::new();
    sha.update(what);
    for part in parts {
        sha.update(part);
    }
    sha.finalize().into()
}

fn cipher(secret: &[u8; SECRET_BYTES]) -> Option<LessSafeKey> {
    UnboundKey::new(&CHACHA20_POLY1305, secret).ok().map(LessSafeKey::new)
}

/// As it is kept: a line for each subtree.
impl fmt::Display for KeyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for subtree in &self.subtrees {
            writeln!(f, "{} {} {}", subtree.depth, subtree.place, hex::encode(subtree.secret))?;
        }
        // A tree that was cut off at the end of a line is none.
        f.write_str("end")?;
        f.write_char('\n')
    }
}

impl FromStr for KeyTree {
    type Err = NoTree;

    fn from_str(text: &str) -> Result<Self, NoTree> {
        let body = text.trim_end().strip_suffix("end").ok_or(NoTree)?;
        let subtrees = body.lines().map(Subtree::parse).collect::<Option<Vec<_>>>().ok_or(NoTree)?;
        Ok(Self { subtrees })
    }
}

impl Subtree {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let depth = words.next()?.parse().ok().filter(|&depth| depth <= DEPTH)?;
        let place = words.next()?.parse().ok().filter(|&place: &u32| u64::from(place) < 1_u64 << depth)?;
        let mut secret = [0; SECRET_BYTES];
        hex::decode_to_slice(words.next()?, &mut secret).ok()?;
        words.next().is_none().then_some(Self { depth, place, secret })
    }
}

/// Keys are shown to nobody.
impl fmt::Debug for KeyTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyTree({} subtrees)", self.subtrees.len())
    }
}
