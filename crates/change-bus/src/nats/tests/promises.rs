//! The promises of every bus, on the NATS of today and on Debian's.

use super::support::served;
use nimaora_local_servers::Program;

mod today {
    use super::*;
    crate::change_bus_contract!(served(Program::Nats).await);
    crate::relay_contract!(served(Program::Nats).await);
}

mod of_debian {
    use super::*;
    crate::change_bus_contract!(served(Program::NatsOfDebian).await);
    crate::relay_contract!(served(Program::NatsOfDebian).await);
}
