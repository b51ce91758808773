//! The server's secrets, and the admin token. All are made at first start and kept with mode 0600. A key that events of the
//! log rely on is not made again: another one would void tokens, or judge right answers wrong for ever.
//!
//! | file in the data folder | what it is |
//! |---|---|
//! | `secrets/token-signing-key` | signs all tokens; whoever has it is everybody |
//! | `secrets/answer-key` | keys the hashes of accepted answers; without it, no answer can be judged |
//! | `secrets/app-secret` | signs private channels, unless the configuration names a secret |
//! | `secrets/receipt-signing-key` | signs receipts of results; made by the first `nimaora audit receipt` |
//! | `admin-token` | the operator's token, issued again when it is about to expire or the signing key has changed |

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nimaora_domain::{AnswerKey, Timestamp};
use nimaora_event_log::Position;
use nimaora_runtime::{Clock, secrets};
use nimaora_sessions::{Claims, Role, TokenSigner, TokenVerifier};

use super::ServeError;

pub(super) const SECRETS_DIR: &str = "secrets";
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
pub(crate) fn admin_token_file(data_dir: &Path) -> PathBuf {
    data_dir.join(ADMIN_TOKEN_FILE)
}

impl Keys {
    /// Reads the keys; makes those that are not there yet. Where the log, which ends at `head`, holds events, a signing or answer
    /// key that is not there was lost, and is an error.
    pub(super) fn load_or_create(
        data_dir: &Path,
        secrets_dir: Option<&Path>,
        head: Position,
        clock: &Clock,
    ) -> Result<Self, ServeError> {
        let dir = secrets_dir.map_or_else(|| data_dir.join(SECRETS_DIR), Path::to_owned);
        if head > 0 {
            refuse_lost(&dir)?;
        }
        private_dir(&dir).map_err(|source| ServeError::DataDir { path: dir.clone(), source })?;
        let signer = TokenSigner::from_seed(key(&dir.join(SIGNING_KEY_FILE))?);
        let answer_key = AnswerKey::new(key(&dir.join(ANSWER_KEY_FILE))?);
        let app_secret = secrets::load_or_create(&dir.join(APP_SECRET_FILE), random_hex)?;
        let admin_token = admin_token(&admin_token_file(data_dir), &signer, clock)?;
        Ok(Self { signer, answer_key, app_secret, admin_token })
    }
}

/// Refuses to go on without the keys that what is in the log was made with.
fn refuse_lost(dir: &Path) -> Result<(), ServeError> {
    // A file that cannot be looked at is told of when it is read.
    let lost = |path: &Path| matches!(path.try_exists(), Ok(false));
    let path = dir.join(ANSWER_KEY_FILE);
    if lost(&path) {
        return Err(ServeError::AnswerKeyLost { path });
    }
    let path = dir.join(SIGNING_KEY_FILE);
    if lost(&path) {
        return Err(ServeError::SigningKeyLost { path });
    }
    Ok(())
}

/// Makes the folder, which nobody else may enter. One that is there keeps its mode.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
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
        let first = Keys::load_or_create(folder.path(), None, 0, &clock).unwrap();
        let second = Keys::load_or_create(folder.path(), None, 0, &clock).unwrap();
        assert_eq!(first.admin_token, second.admin_token);
        assert_eq!(first.app_secret, second.app_secret);
        assert_eq!(first.signer.verifier_key(), second.signer.verifier_key());
    }

    #[test]
    fn only_the_owner_can_read_them() {
        let folder = tempfile::tempdir().unwrap();
        Keys::load_or_create(folder.path(), None, 0, &Clock::manual(NOW_MS)).unwrap();
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
        let first = Keys::load_or_create(folder.path(), None, 0, &clock).unwrap().admin_token;
        clock.advance(ADMIN_TOKEN_LIFETIME_MS - ADMIN_TOKEN_LEFT_MIN_MS - DAY_MS);
        assert_eq!(Keys::load_or_create(folder.path(), None, 0, &clock).unwrap().admin_token, first);
        clock.advance(2 * DAY_MS);
        let second = Keys::load_or_create(folder.path(), None, 0, &clock).unwrap().admin_token;
        assert_ne!(second, first);

        std::fs::remove_file(folder.path().join(SECRETS_DIR).join(SIGNING_KEY_FILE)).unwrap();
        let third = Keys::load_or_create(folder.path(), None, 0, &clock).unwrap();
        let verifier = TokenVerifier::new([third.signer.verifier_key()]);
        assert!(verifier.verify(&third.admin_token, clock.now_ms()).is_ok());
        assert_eq!(mode(&admin_token_file(folder.path())), 0o600);
    }

    #[test]
    fn a_key_that_events_rely_on_is_not_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        Keys::load_or_create(folder.path(), None, 0, &clock).unwrap();
        let dir = folder.path().join(SECRETS_DIR);
        let restart =
            || Keys::load_or_create(folder.path(), None, 7, &clock).err().map(|error| error.to_string());
        for (file, advice) in
            [(ANSWER_KEY_FILE, "restore it from a copy"), (SIGNING_KEY_FILE, "openssl rand")]
        {
            let kept = std::fs::read_to_string(dir.join(file)).unwrap();
            std::fs::remove_file(dir.join(file)).unwrap();
            let refused = restart().unwrap();
            assert!(refused.contains(file) && refused.contains(advice), "{refused}");
            assert!(!dir.join(file).exists(), "{file} was made again");
            secrets::replace(&dir.join(file), &kept).unwrap();
            assert_eq!(restart(), None);
        }
        std::fs::remove_file(admin_token_file(folder.path())).unwrap();
        assert_eq!(restart(), None, "the admin token can be issued at any time");
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(restart().is_some() && !dir.exists());
    }

    #[test]
    fn a_spoilt_key_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(NOW_MS);
        Keys::load_or_create(folder.path(), None, 0, &clock).unwrap();
        let path = folder.path().join(SECRETS_DIR).join(ANSWER_KEY_FILE);
        std::fs::write(&path, "not hex").unwrap();
        let error = Keys::load_or_create(folder.path(), None, 0, &clock).err().unwrap();
        assert!(error.to_string().contains("answer-key holds no key"), "{error}");
    }
}
