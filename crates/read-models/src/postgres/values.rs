//! Values on their way to columns and back, in PostgreSQL's binary format.

use nimaora_domain::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

// Types that are the same in every server, https://www.postgresql.org/docs/current/catalog-pg-type.html.
const INT2: Oid = Oid(21);
const INT4: Oid = Oid(23);
const INT8: Oid = Oid(20);
const TIMESTAMPTZ: Oid = Oid(1184);
const TIMESTAMPTZ_ARRAY: Oid = Oid(1185);
const JSONB: Oid = Oid(3802);
const JSONB_ARRAY: Oid = Oid(3807);

/// From 1970 to 2000, where PostgreSQL's times begin.
const EPOCH_MILLIS: i64 = 946_684_800_000;
/// What a JSONB value begins with.
const JSONB_VERSION: u8 = 1;

/// A point in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time(pub(super) Timestamp);

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ)
    }
}

impl PgHasArrayType for Time {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(TIMESTAMPTZ_ARRAY)
    }
}

impl Encode<'_, Postgres> for Time {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&micros(self.0).to_be_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Time {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        // The largest values stand for infinity, which nobody writes here.
        Ok(Self(Timestamp::from_millis((micros / 1_000).saturating_add(EPOCH_MILLIS))))
    }
}

/// A point in time as PostgreSQL counts it.
pub(super) fn micros(time: Timestamp) -> i64 {
    (time.as_millis() - EPOCH_MILLIS) * 1_000
}

/// A JSON text.
#[derive(Clone, Debug)]
pub(super) struct Json(pub(super) String);

impl Type<Postgres> for Json {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSONB)
    }
}

impl PgHasArrayType for Json {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(JSONB_ARRAY)
    }
}

impl Encode<'_, Postgres> for Json {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&[JSONB_VERSION]);
        buffer.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Json {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.as_bytes()?.split_first() {
            Some((&JSONB_VERSION, text)) => Ok(Self(String::from_utf8(text.to_vec())?)),
            _ => Err("this version of JSONB is not known".into()),
        }
    }
}

/// A whole number, whatever the width of its column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole(pub(super) i64);

impl Type<Postgres> for Whole {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(INT8)
    }

    fn compatible(other: &PgTypeInfo) -> bool {
        [INT2, INT4, INT8].iter().any(|&oid| *other == PgTypeInfo::with_oid(oid))
    }
}

impl Decode<'_, Postgres> for Whole {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        let bytes = value.as_bytes()?;
        match bytes.len() {
            2 => Ok(Self(i16::from_be_bytes(bytes.try_into()?).into())),
            4 => Ok(Self(i32::from_be_bytes(bytes.try_into()?).into())),
            _ => Ok(Self(i64::from_be_bytes(bytes.try_into()?))),
        }
    }
}
