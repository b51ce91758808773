//! How a connection begins. The layer below waits without end for enough to tell the protocol by; here it is waited for within a
//! deadline, under TLS as well.

use std::io::{self, Cursor};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, join, split};

/// How an HTTP/2 connection begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits until the client has sent enough to tell which protocol it speaks, and hands the connection on as if nothing had been
/// read. The deadline is the caller's.
///
/// # Errors
/// The client left before that, or the connection broke.
pub(crate) async fn opened<S>(
    mut stream: S,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut head = Vec::with_capacity(PREFACE.len());
    while head.len() < PREFACE.len() && PREFACE.starts_with(&head) {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let (rest, out) = split(stream);
    Ok(join(Cursor::new(head).chain(rest), out))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn what_tells_the_protocol_is_handed_on_with_what_follows() {
        for said in [[PREFACE, b"and more"].concat(), b"PRI * HTTP/1.1\r\n\r\n".to_vec(), b"G".to_vec()] {
            let (mut client, server) = duplex(5);
            let heard = tokio::spawn(async move {
                let mut heard = Vec::new();
                opened(server).await?.read_to_end(&mut heard).await?;
                io::Result::Ok(heard)
            });
            client.write_all(&said).await.unwrap();
            drop(client);
            assert_eq!(heard.await.unwrap().unwrap(), said);
        }
    }

    #[tokio::test]
    async fn who_leaves_within_the_preface_is_not_waited_for() {
        for said in [b"".as_slice(), b"PRI"] {
            let (mut client, server) = duplex(64);
            client.write_all(said).await.unwrap();
            drop(client);
            let left = opened(server).await.err().unwrap();
            assert_eq!(left.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
