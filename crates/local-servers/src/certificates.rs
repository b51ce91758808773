//! Certificates of this machine, signed by an authority that nobody else has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::LocalServerError;

/// How keys are made.
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// PEM files: an authority's certificate, and a server's with its key, for `localhost` and 127.0.0.1.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority's certificate.
    pub authority: PathBuf,
    /// The server's.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in `dir` with `openssl`, which must be installed.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub fn make(dir: &Path) -> Result<Self, LocalServerError> {
        std::fs::create_dir_all(dir).map_err(|source| LocalServerError::io("make", dir, source))?;
        openssl(dir, &format!("req -x509 {KEY} -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca"))?;
        let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
        openssl(dir, &format!("req {KEY} -keyout server.key -out server.csr {name}"))?;
        let sign =
            "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2";
        openssl(dir, &format!("{sign} -copy_extensions copy"))?;
        let file = |name: &str| dir.join(name);
        Ok(Self { authority: file("ca.crt"), certificate: file("server.crt"), key: file("server.key") })
    }
}

fn openssl(dir: &Path, args: &str) -> Result<(), LocalServerError> {
    let failed = |source| LocalServerError::io("make certificates with openssl in", dir, source);
    let output = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().map_err(failed)?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(std::io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))),
    }
}
