//! What it takes to wait for a position: a place, and news of the battle.

mod followers;
mod places;

pub(crate) use followers::{Followers, News};
pub(crate) use places::{Caller, Places};
