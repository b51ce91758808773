//! Channel signatures: the proof that this application lets a socket listen to a channel.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::Refusal;

/// The application's key and secret.
pub(crate) struct Application {
    key: String,
    secret: String,
}

impl Application {
    pub(crate) fn new(key: String, secret: String) -> Self {
        Self { key, secret }
    }

    /// Whether `key` is this application's.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.key == key
    }

    /// `KEY:signature`, which lets this socket, and no other, subscribe to this channel with exactly this data.
    pub(crate) fn sign(&self, socket_id: &str, channel: &str, data: Option<&str>) -> String {
        let signature = self.mac(socket_id, channel, data).finalize().into_bytes();
        format!("{}:{}", self.key, hex::encode(signature))
    }

    /// Checks what [`Application::sign`] made, in constant time.
    pub(crate) fn verify(
        &self,
        auth: &str,
        socket_id: &str,
        channel: &str,
        data: Option<&str>,
    ) -> Result<(), Refusal> {
        let (key, signature) = auth.split_once(':').ok_or(Refusal::SignatureWrong)?;
        let signature = hex::decode(signature).map_err(|_| Refusal::SignatureWrong)?;
        if !self.has_key(key) {
            return Err(Refusal::SignatureWrong);
        }
        self.mac(socket_id, channel, data).verify_slice(&signature).map_err(|_| Refusal::SignatureWrong)
    }

    /// The signature of this text, if `signature` is it, compared in constant time.
    pub(crate) fn verify_text(&self, text: &str, signature: &str) -> Option<[u8; 32]> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(signature, &mut bytes).ok()?;
        let mut mac = self.begin();
        mac.update(text.as_bytes());
        mac.verify_slice(&bytes).is_ok().then_some(bytes)
    }

    /// The public half.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What proves to the application's own server who sends this.
    pub(crate) fn sign_text(&self, text: &[u8]) -> String {
        let mut mac = self.begin();
        mac.update(text);
        hex::encode(mac.finalize().into_bytes())
    }

    fn begin(&self) -> Hmac<Sha256> {
        #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("a key of any length is taken")
    }

    fn mac(&self, socket_id: &str, channel: &str, data: Option<&str>) -> Hmac<Sha256> {
        let mut mac = self.begin();
        mac.update(socket_id.as_bytes());
        for part in [Some(channel), data].into_iter().flatten() {
            mac.update(b":");
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: &str = "private-foobar";
    const SOCKET: &str = "1234.1234";
    /// The example in the protocol's documentation.
    const EXAMPLE: &str =
        "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";

    fn application() -> Application {
        Application::new("278d425bdf160c739803".to_owned(), "7ad3773142a6692b25b8".to_owned())
    }

    #[test]
    fn signs_as_the_documentation_does() {
        assert_eq!(application().sign(SOCKET, CHANNEL, None), EXAMPLE);
        let data = r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#;
        assert_eq!(
            application().sign(SOCKET, "presence-foobar", Some(data)),
            "278d425bdf160c739803:31935e7d86dba64c2a90aed31fdc61869f9b22ba9d8863bba239c03ca481bc80"
        );
    }

    #[test]
    fn checks_a_request_of_the_http_api_as_the_documentation_does() {
        let text = "POST\n/apps/3/events\nauth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_version=1.0\
                    &body_md5=ec365a775a4cd0599faeb73354201b6f";
        let signature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
        assert!(application().verify_text(text, signature).is_some());
        for wrong in ["", "da45", &signature.replace('d', "e")] {
            assert!(application().verify_text(text, wrong).is_none());
        }
        assert!(application().verify_text("GET", signature).is_none());
    }

    #[test]
    fn accepts_its_own_signature_only_for_what_was_signed() {
        let application = application();
        assert_eq!(application.verify(EXAMPLE, SOCKET, CHANNEL, None), Ok(()));
        for (auth, socket, channel, data) in [
            (EXAMPLE, "1234.1235", CHANNEL, None),
            (EXAMPLE, SOCKET, "private-foobaz", None),
            (EXAMPLE, SOCKET, CHANNEL, Some("{}")),
            (&EXAMPLE[..EXAMPLE.len() - 2], SOCKET, CHANNEL, None),
            (&EXAMPLE.replace("278d", "278e"), SOCKET, CHANNEL, None),
            (&EXAMPLE[21..], SOCKET, CHANNEL, None),
            ("", SOCKET, CHANNEL, None),
        ] {
            let verdict = application.verify(auth, socket, channel, data);
            assert_eq!(verdict, Err(Refusal::SignatureWrong), "{auth} {socket} {channel} {data:?}");
        }
    }
}
