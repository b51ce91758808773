//! The server's secrets, and the admin token. All are made at first start and kept with mode 0600.
//!
//! | file in the data folder | what it is |
//! |---|---|
//! | `secrets/token-signing-key` | signs all tokens; whoever has it is everybody |
//! | `secrets/answer-key` | keys the hashes of accepted answers; without it, no answer can be judged |
//! | `secrets/app-secret` | signs private channels, unless the configuration names a secret |
//! | `admin-token` | the operator's token, issued again when it is about to expire or the signing key has changed |

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_runtime::{Clock, secrets};
use nimaora_sessions::{Claims, Role, TokenSigner, TokenVerifier};

use super::ServeError;

const SECRETS_DIR: &str = "secrets";
const SIGNING_KEY_FILE: &str = "token-signing-key";
const ANSWER_KEY_FILE: &str = "answer-key";
const APP_SECRET_FILE: &str = "app-secret";
const ADMIN_TOKEN_FILE: &str = "admin-token";
const KEY_BYTES: usize = 32;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// For how long an admin token is valid.
const ADMIN_TOKEN_LIFETIME_MS: i64 = 365 * DAY_MS;
/// A token with less than this to go is issued again at start.
const ADMIN_TOKEN_LEFT_MIN_MS: i64 = 30 * DAY_MS;

/// What the roles sign and hash with.
pub(super) struct Keys {
    pub(super) signer: TokenSigner,
    pub(super) answer_key: AnswerKey,
    pub(super) app_secret: String,
    pub(super) admin_token: String,
}

/// Where the admin token of a data folder lies.
pub(super) fn admin_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join(ADMIN_TOKEN_FILE)
}

impl Keys {
    /// Reads the keys of a data folder; makes those that are not there yet.
    pub(super) fn load_or_create(data_dir: &Path, clock: &Clock) -> Result<Self, ServeError> {
        let dir = data_dir.join(SECRETS_DIR);
        private_dir(&dir).map_err(|source| ServeError::DataDir { path: dir.clone(), source })?;
        let signer = TokenSigner::from_seed(key(&dir.join(SIGNING_KEY_FILE))?);
        let answer_key = AnswerKey::new(key(&dir.join(ANSWER_KEY_FILE))?);
        let app_secret = secrets::load_or_create(&dir.join(APP_SECRET_FILE), random_hex)?;
        let admin_token = admin_token(&admin_token_file(data_dir), &signer, clock)?;
        Ok(Self { signer, answer_key, app_secret, admin_token })
    }
}

/// Makes the folder, which nobody else may enter. One that is there keeps its mode.
pub(super) fn private_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn key(path: &Path) -> Result<[u8; KEY_BYTES], ServeError> {
    let text = secrets::load_or_create(path, random_hex)?;
    let mut key = [0; KEY_BYTES];
    match hex::decode_to_slice(text, &mut key) {
        Ok(()) => Ok(key),
        Err(_) => Err(ServeError::Key { path: path.to_owned() }),
    }
}

fn random_hex() -> Result<String, secrets::SecretError> {
    Ok(hex::encode(secrets::random::<KEY_BYTES>()?))
}

fn admin_token(path: &Path, signer: &TokenSigner, clock: &Clock) -> Result<String, ServeError> {
    let now_ms = clock.now_ms();
    let issue = || {
        let expires_at = Timestamp::from_millis(now_ms + ADMIN_TOKEN_LIFETIME_MS);
        signer.issue(&Claims { role: Role::Admin, expires_at })
    };
    let token = secrets::load_or_create(path, || Ok(issue()))?;
    let verifier = TokenVerifier::new([signer.verifier_key()]);
    let lasts = verifier.verify(&token, now_ms + ADMIN_TOKEN_LEFT_MIN_MS);
    if lasts.is_ok_and(|claims| claims.role == Role::Admin) {
        return Ok(token);
    }
    let token = issue();
    secrets::replace(path, &token)?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW_MS: i64 = 1_750_000_000_000;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_second_start_finds_what_the_first_one_made() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let first = Keys::load_or_create(folder.path(), &clock).unwrap();
        let second = Keys::load_or_create(folder.path(), &clock).unwrap();
        assert_eq!(first.admin_token, second.admin_token);
        assert_eq!(first.app_secret, second.app_secret);
        assert_eq!(first.signer.verifier_key(), second.signer.verifier_key());
    }

    #[test]
    fn only_the_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        Keys::load_or_create(folder.path(), &Clock::manual(NOW_MS)).unwrap();
        assert_eq!(mode(&admin_token_file(folder.path())), 0o600);
        let dir = folder.path().join(SECRETS_DIR);
        assert_eq!(mode(&dir), 0o700);
        for file in [SIGNING_KEY_FILE, ANSWER_KEY_FILE, APP_SECRET_FILE] {
            assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn the_admin_token_is_issued_again_before_it_expires_and_after_a_new_key() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        let first = Keys::load_or_create(folder.path(), &clock).unwrap().admin_token;
        clock.advance(ADMIN_TOKEN_LIFETIME_MS - ADMIN_TOKEN_LEFT_MIN_MS - DAY_MS);
        assert_eq!(Keys::load_or_create(folder.path(), &clock).unwrap().admin_token, first);
        clock.advance(2 * DAY_MS);
        let second = Keys::load_or_create(folder.path(), &clock).unwrap().admin_token;
        assert_ne!(second, first);

        std::fs::remove_file(folder.path().join(SECRETS_DIR).join(SIGNING_KEY_FILE)).unwrap();
        let third = Keys::load_or_create(folder.path(), &clock).unwrap();
        let verifier = TokenVerifier::new([third.signer.verifier_key()]);
        assert!(verifier.verify(&third.admin_token, clock.now_ms()).is_ok());
        assert_eq!(mode(&admin_token_file(folder.path())), 0o600);
    }

    #[test]
    fn a_spoilt_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        Keys::load_or_create(folder.path(), &clock).unwrap();
        let path = folder.path().join(SECRETS_DIR).join(ANSWER_KEY_FILE);
        std::fs::write(&path, "not hex").unwrap();
        let error = Keys::load_or_create(folder.path(), &clock).err().unwrap();
        assert!(error.to_string().contains("answer-key holds no key"), "{error}");
    }
}
