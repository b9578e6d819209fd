//! Dials WebSockets.

use bytes::Bytes;
use samara_core::message::MAX_MESSAGE_LEN;
use samara_swarm::Path;
use tokio_tungstenite::connect_async_tls_with_config;
use tokio_tungstenite::tungstenite::{self, error::ProtocolError, error::UrlError};
use tokio_util::sync::CancellationToken;

use super::{carry, config, tls};
use crate::connection::Attached;
use crate::doubt::Doubted;

/// Dials and then carries messages. `stop` ends the dial only.
pub(crate) async fn dial(
    url: String,
    attached: Attached,
    doubted: Doubted,
    stop: CancellationToken,
) {
    let connected =
        connect_async_tls_with_config(&url, Some(config()), true, Some(tls::connector()));
    let dialed = tokio::select! {
        dialed = connected => dialed,
        () = stop.cancelled() => return,
    };
    match dialed {
        Ok((socket, _)) => {
            let connected =
                attached
                    .incoming
                    .connected(Path::WebSocket, MAX_MESSAGE_LEN, Bytes::new());
            if connected.await.is_ok() {
                carry(socket, attached, doubted).await;
            }
        }
        Err(error) => attached.incoming.close(problem(&error)).await,
    }
}

/// What went wrong, for a person who knows the address.
fn problem(error: &tungstenite::Error) -> String {
    use tungstenite::Error;
    match error {
        Error::Io(error) => format!("nothing answers there: {error}"),
        Error::Tls(error) => format!("no secure connection: {error}"),
        Error::Url(UrlError::TlsFeatureNotEnabled) => "no secure connection".to_owned(),
        Error::Url(error) => format!("the address is wrong: {error}"),
        Error::Http(response) => format!(
            "what answers there is no samara relay or peer (HTTP status {})",
            response.status().as_u16()
        ),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            "what answers there hung up during the handshake".to_owned()
        }
        error => format!("what answers there is no samara relay or peer: {error}"),
    }
}
