//! Word that a way to somebody went silent. It may be that one's end, or this
//! machine's router has another address outside, which nothing else tells:
//! whatever else was silent is asked at once whether it still answers.

use tokio::sync::watch;

/// Tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Doubt(watch::Sender<()>);

/// Hears of it.
#[derive(Clone, Debug)]
pub(crate) struct Doubted(Option<watch::Receiver<()>>);

impl Doubt {
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    pub fn raise(&self) {
        self.0.send_replace(());
    }

    /// Hears what is raised from now on.
    pub fn listen(&self) -> Doubted {
        Doubted(Some(self.0.subscribe()))
    }
}

impl Doubted {
    /// For what is judged by nothing else.
    pub const fn never() -> Self {
        Self(None)
    }

    /// Resolves when doubt is raised again.
    pub async fn raised(&mut self) {
        let raised = match &mut self.0 {
            Some(doubt) => doubt.changed().await.is_ok(),
            None => false,
        };
        if !raised {
            std::future::pending::<()>().await;
        }
    }
}
