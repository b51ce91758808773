//! The program under measurement, in a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::BenchError;

/// What a program's line holds that says where it listens.
const LISTENS: &str = "http://";

/// A running program that listens on a port. It is killed when this is dropped.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    /// Where it listens, as `http://HOST:PORT`.
    pub url: String,
    /// Where it keeps its files, removed with this value.
    pub folder: tempfile::TempDir,
}

impl Child {
    /// Starts `nimaora serve`, which must be built beside this program.
    ///
    /// # Errors
    /// [`BenchError::NotBuilt`], [`BenchError::NotStarted`], or what the system said.
    pub fn server() -> Result<Self, BenchError> {
        Self::server_with(&[])
    }

    /// The same with settings, as `realtime.board_tick_ms=100`.
    ///
    /// # Errors
    /// As [`Child::server`].
    pub fn server_with(settings: &[String]) -> Result<Self, BenchError> {
        let program = beside("nimaora")?;
        Self::start(&program, |command, folder| {
            command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder);
            command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        })
    }

    /// Starts this very program again with one argument.
    ///
    /// # Errors
    /// [`BenchError::NotStarted`], or what the system said.
    pub fn this_program(argument: &str) -> Result<Self, BenchError> {
        Self::this_program_with(&[argument.to_owned()])
    }

    /// Starts this very program again with arguments.
    ///
    /// # Errors
    /// [`BenchError::NotStarted`], or what the system said.
    pub fn this_program_with(arguments: &[String]) -> Result<Self, BenchError> {
        Self::start(&std::env::current_exe()?, |command, _| {
            command.args(arguments);
        })
    }

    fn start(program: &Path, arguments: impl FnOnce(&mut Command, &Path)) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(program);
        arguments(&mut command, folder.path());
        let mut process = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let url = process.stdout.take().and_then(|stdout| {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.find_map(|line| line.find(LISTENS).map(|at| line[at..].trim().to_owned()))
        });
        match url {
            Some(url) => Ok(Self { process, url, folder }),
            None => Err(BenchError::NotStarted {
                program: program.display().to_string(),
                reason: format!("it ended with {}", process.wait()?),
            }),
        }
    }

    /// The admin token that the server made at its first start.
    ///
    /// # Errors
    /// The file is not there.
    pub fn admin_token(&self) -> Result<String, BenchError> {
        Ok(std::fs::read_to_string(self.folder.path().join("admin-token"))?.trim().to_owned())
    }

    /// The resident memory of the process, in bytes.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn resident_bytes(&self) -> Result<u64, BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok());
        let unknown = || BenchError::Invalid("the system does not tell the server's memory".to_owned());
        Ok(kilobytes.ok_or_else(unknown)? * 1_024)
    }
}

impl Child {
    /// The processor time that the process has taken so far, in seconds, in steps of 10 ms.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn cpu_seconds(&self) -> Result<f64, BenchError> {
        // Linux counts in hundredths of a second, whatever the kernel's own clock.
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The program's name, in parentheses, may hold anything.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let ticks =
            after_name.split_whitespace().skip(11).take(2).map_while(|ticks| ticks.parse::<f64>().ok());
        Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A program that was built beside this one.
///
/// # Errors
/// [`BenchError::NotBuilt`].
pub fn beside(name: &str) -> Result<PathBuf, BenchError> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(BenchError::NotBuilt(path.display().to_string())) }
}
