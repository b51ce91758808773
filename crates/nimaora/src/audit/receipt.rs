//! `nimaora audit receipt` and `check-receipt`: a signed statement of what a battle came to.
//!
//! A receipt is a JSON object: `statement` is a text, itself JSON; `signature` is the ed25519 signature, in hex, of the bytes
//! `nimaora-receipt-v1` and a line feed and then the bytes of that text. What is signed is the text as it stands, so nobody needs to
//! write JSON in a canonical form. `keyId` inside the statement is the first 16 hex digits of the SHA-256 of the public key.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use clap::Args;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use nimaora_domain::{BattleId, Phase, Timestamp};
use nimaora_event_log::{ChainHead, EventLog, Position};
use nimaora_runtime::{Clock, secrets};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::AuditError;
use super::ndjson::Line;
use super::replay::lines;
use super::source::Source;
use super::walk::{Fold, fold_to};
use super::{BattleArgs, file_error, files, print};
use crate::config::Config;
use crate::serve;

/// What stands before the statement when it is signed, so that a signature means a receipt and nothing else.
const DOMAIN: &str = "nimaora-receipt-v1\n";
const KEY_FILE: &str = "receipt-signing-key";
const PUBLIC_KEY_FILE: &str = "receipt-public-key";
const KEY_BYTES: usize = 32;
const KEY_ID_DIGITS: usize = 16;
/// Where a line of the standings holds the name.
const NAME_FIELD: &str = "username";

/// What `nimaora audit receipt` is asked.
#[derive(Args, Debug)]
pub(super) struct ReceiptArgs {
    #[command(flatten)]
    battle: BattleArgs,
    /// The file that it is written to [default: standard output].
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `nimaora audit check-receipt` is asked.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The receipt.
    receipt: PathBuf,
    /// The public key: a file that holds it, or its 64 hex digits.
    #[arg(long, value_name = "FILE|HEX")]
    public_key: String,
    /// The battle's events, as 'nimaora audit export' or any other client wrote them, for a full proof.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    statement: String,
    signature: String,
}

/// What is stated.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Statement {
    battle_id: BattleId,
    title: String,
    phase: Phase,
    revision: u64,
    position: Position,
    head_hash: ChainHead,
    standings: Vec<Value>,
    issued_at: Timestamp,
    key_id: String,
}

pub(super) async fn run(args: ReceiptArgs) -> Result<(), AuditError> {
    let battle_id = args.battle.battle;
    let text = match args.battle.source.open().await? {
        Source::Log(config, log, _) => issue(&*log, battle_id, &signing_key(&config)?).await?,
        Source::Server(server) => server.receipt(battle_id).await?,
    };
    match args.output {
        Some(path) => {
            files::write_new(&path, &text)?;
            print(&format!("the receipt of the battle {battle_id} is in {}\n", path.display()))
        }
        None => print(&text),
    }
}

/// The receipt of a battle as it stands at the end of the log.
pub(super) async fn issue(
    log: &dyn EventLog,
    battle_id: BattleId,
    key: &SigningKey,
) -> Result<String, AuditError> {
    let fold = fold_to(log, battle_id, Position::MAX).await?;
    let statement = Statement {
        battle_id,
        title: fold.battle.title().to_owned(),
        phase: fold.battle.phase(),
        revision: fold.next_revision - 1,
        position: fold.position,
        head_hash: fold.chain,
        standings: lines(&fold),
        issued_at: Timestamp::from_millis(Clock::system().now_ms()),
        key_id: key_id(&key.verifying_key()),
    };
    let statement = serde_json::to_string(&statement)?;
    let signature = hex::encode(key.sign(&signed_bytes(&statement)).to_bytes());
    Ok(serde_json::to_string_pretty(&Receipt { statement, signature })? + "\n")
}

/// The key that signs receipts, made at first use; the public one is put beside it. What root makes in the folder of a service is that
/// service's: it could not read it otherwise, and would make no receipts. One that is lost is not made anew: nobody would
/// notice that later receipts are signed by another one.
pub(super) fn signing_key(config: &Config) -> Result<SigningKey, AuditError> {
    let dir = serve::secrets_dir(config);
    serve::private_dir(&dir).map_err(file_error("create", &dir))?;
    let (path, public) = (dir.join(KEY_FILE), dir.join(PUBLIC_KEY_FILE));
    if public.exists() && !path.exists() {
        let reason = format!(
            "the key that signs for it is gone: put {} back, or move this file away to begin with another key",
            path.display()
        );
        return Err(AuditError::Content { path: public, reason });
    }
    let text = secrets::load_or_create_for_owner(&path, || Ok(hex::encode(secrets::random::<KEY_BYTES>()?)))?;
    let mut seed = [0; KEY_BYTES];
    hex::decode_to_slice(&text, &mut seed).map_err(|error| AuditError::Content {
        path: path.clone(),
        reason: format!("it is no key: {error}"),
    })?;
    let key = SigningKey::from_bytes(&seed);
    let text = hex::encode(key.verifying_key().to_bytes()) + "\n";
    if !public.exists() {
        let made = files::write_new(&public, &text)?;
        secrets::give_to_owner(&made, &dir).map_err(file_error("give the folder's owner", &public))?;
    }
    if files::read(&public)?.trim() != text.trim() {
        let reason = format!(
            "it is not the public key of {}; one of them was exchanged",
            dir.join(KEY_FILE).display()
        );
        return Err(AuditError::Content { path: public, reason });
    }
    Ok(key)
}

fn key_id(key: &VerifyingKey) -> String {
    let mut digits = hex::encode(Sha256::digest(key.to_bytes()));
    digits.truncate(KEY_ID_DIGITS);
    digits
}

fn signed_bytes(statement: &str) -> Vec<u8> {
    [DOMAIN.as_bytes(), statement.as_bytes()].concat()
}

pub(super) fn check(args: &CheckArgs) -> Result<(), AuditError> {
    let path = &args.receipt;
    let no_receipt = |error: serde_json::Error| AuditError::Content {
        path: path.clone(),
        reason: format!("it is no receipt: {error}"),
    };
    let text = files::read(path)?;
    let receipt: Receipt = serde_json::from_str(&text).map_err(no_receipt)?;
    let key = public_key(&args.public_key)?;
    if !is_signed(&receipt, &key) {
        return Err(AuditError::Differs(format!(
            "{}: the signature is not that of the key {} over this statement; the receipt was changed or is from somebody else",
            path.display(),
            key_id(&key)
        )));
    }
    let statement: Statement = serde_json::from_str(&receipt.statement).map_err(no_receipt)?;
    if let Some(events) = &args.events {
        let fold = fold_file(events, &statement)?;
        full_proof(&statement, &fold)?;
    }
    let proof = match args.events {
        Some(_) => "the events come to this head hash and these standings",
        None => "the events were not looked at; give them with --events for a full proof",
    };
    print(&format!(
        "GENUINE: signed by the key {} at {}\nbattle {} '{}', {:?}, revision {}, position {}\nhead hash {}\n{} on the board; {proof}\n",
        statement.key_id,
        statement.issued_at,
        statement.battle_id,
        statement.title,
        statement.phase,
        statement.revision,
        statement.position,
        statement.head_hash,
        statement.standings.len(),
    ))
}

fn public_key(named: &str) -> Result<VerifyingKey, AuditError> {
    let path = Path::new(named);
    let text = match path.is_file() {
        true => files::read(path)?,
        false => named.to_owned(),
    };
    let mut bytes = [0; KEY_BYTES];
    let decoded = hex::decode_to_slice(text.trim(), &mut bytes).ok();
    decoded.and_then(|()| VerifyingKey::from_bytes(&bytes).ok()).ok_or_else(|| AuditError::Content {
        path: path.to_owned(),
        reason: "it is neither a file with a public key nor a key of 64 hex digits".to_owned(),
    })
}

fn is_signed(receipt: &Receipt, key: &VerifyingKey) -> bool {
    let mut bytes = [0; Signature::BYTE_SIZE];
    hex::decode_to_slice(&receipt.signature, &mut bytes).is_ok()
        && key.verify_strict(&signed_bytes(&receipt.statement), &Signature::from_bytes(&bytes)).is_ok()
}

/// The battle as the events in a file tell it, up to the revision that is stated.
fn fold_file(path: &Path, statement: &Statement) -> Result<Fold, AuditError> {
    let file = files::open(path)?;
    let stream = statement.battle_id.stream();
    let mut fold = Fold::default();
    for (number, line) in (1..).zip(std::io::BufReader::new(file).lines()) {
        let line = line.map_err(file_error("read", path))?;
        let number: u64 = number;
        let line: Line = serde_json::from_str(&line).map_err(|error| AuditError::Content {
            path: path.to_owned(),
            reason: format!("line {number} is no event: {error}"),
        })?;
        if line.stream != stream {
            let reason = format!("line {number} is an event of {}, and not of {stream}", line.stream);
            return Err(AuditError::Content { path: path.to_owned(), reason });
        }
        if line.revision > statement.revision {
            break;
        }
        if line.position <= fold.position {
            return Err(AuditError::Differs(format!(
                "{}: line {number} is at position {}, and the one before at {}; positions go up",
                path.display(),
                line.position,
                fold.position
            )));
        }
        fold.event(&line.into_event())?;
    }
    Ok(fold)
}

fn full_proof(statement: &Statement, fold: &Fold) -> Result<(), AuditError> {
    let differs = |what: &str, stated: String, found: String| {
        AuditError::Differs(format!("the receipt states the {what} {stated}, but the events come to {found}"))
    };
    let events = statement.revision + 1;
    if fold.next_revision != events {
        return Err(differs("number of events", events.to_string(), fold.next_revision.to_string()));
    }
    if fold.position != statement.position {
        return Err(differs("position", statement.position.to_string(), fold.position.to_string()));
    }
    if fold.chain != statement.head_hash {
        return Err(differs("head hash", statement.head_hash.to_string(), fold.chain.to_string()));
    }
    let (stated, mut found) = (&statement.standings, lines(fold));
    // A name that is sealed in the events is proven by the signature alone; it may have been erased since.
    for ((place, line), participant) in (0..).zip(&mut found).zip(fold.battle.standings()) {
        let place: usize = place;
        if participant.username().is_closed()
            && let Some(name) = stated.get(place).and_then(|line| line.get(NAME_FIELD))
        {
            line[NAME_FIELD] = name.clone();
        }
    }
    match (0..stated.len().max(found.len())).find(|&place| stated.get(place) != found.get(place)) {
        Some(place) => {
            let text = |line: Option<&Value>| line.map_or_else(|| "nobody".to_owned(), Value::to_string);
            let what = format!("rank {}", place + 1);
            Err(differs(&what, text(stated.get(place)), text(found.get(place))))
        }
        None => Ok(()),
    }
}
