//! Free ports that nobody else on this machine is given meanwhile.

use std::net::{Ipv4Addr, TcpListener};

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, socket};

use crate::error::LocalServerError;

/// Below the ports that the system gives to outgoing connections, so that none of those takes one while a server restarts.
const PORTS: std::ops::Range<u16> = 15_000..32_000;
const TRIES: usize = 500;

/// A port of 127.0.0.1. As long as the value lives no other process that asks here is given the same one, whether a server
/// listens on it or not.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// A socket with an abstract name that stands for the port. The system frees the name when this process ends.
    _claim: OwnedFd,
}

impl Port {
    /// A free port.
    ///
    /// # Errors
    /// [`LocalServerError::NoPort`].
    pub fn free() -> Result<Self, LocalServerError> {
        (0..TRIES)
            .find_map(|_| Self::claim(fastrand::u16(PORTS)))
            .ok_or(LocalServerError::NoPort { tries: TRIES })
    }

    fn claim(number: u16) -> Option<Self> {
        let name = SocketAddrUnix::new_abstract_name(format!("nimaora-port-{number}").as_bytes()).ok()?;
        let claim = socket(AddressFamily::UNIX, SocketType::DGRAM, None).ok()?;
        bind(&claim, &name).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
        Some(Self { number, _claim: claim })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_once() {
        let port = Port::free().unwrap();
        assert!(Port::claim(port.number()).is_none());
        let number = port.number();
        drop(port);
        assert_eq!(Port::claim(number).unwrap().number(), number);
    }
}
