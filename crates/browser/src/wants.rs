//! Keeps what is wanted for others through a reload of the page.
//!
//! Only the peer that bears the profile's identity does: others know it by
//! that, and tabs would take each other's place in the database.

use std::cell::RefCell;
use std::rc::Rc;

use samara_swarm::{Input, Millis};
use wasm_bindgen_futures::spawn_local;

use crate::alarm;
use crate::driver::Driver;
use crate::store::{PutError, Want};

/// Between two looks at what is wanted: a crash forgets no more, and whoever
/// still wants something says so again.
const EVERY: Millis = Millis::seconds(5);

/// What the database says is wanted.
#[derive(Default)]
pub(crate) struct Wants(RefCell<Written>);

#[derive(Default)]
enum Written {
    /// Another tab's peer writes there.
    #[default]
    ByNobody,
    /// These.
    Known(Vec<Want>),
    /// The last write failed.
    Unknown,
}

impl Driver {
    /// Wants what was wanted for others when the page was last open, and keeps
    /// it from now on.
    pub async fn remember(self: &Rc<Self>) {
        // What cannot be read is forgotten: whoever still wants it says so.
        let known = self.store.wants().await.unwrap_or_default();
        *self.wants.0.borrow_mut() = Written::Known(known.clone());
        self.give(Input::Remember(known));
    }

    /// Writes down in a while what is wanted then.
    pub fn keep_wants_soon(&self) {
        match *self.wants.0.borrow() {
            Written::ByNobody => {}
            Written::Known(_) | Written::Unknown => self.keeping.set(alarm::now() + EVERY),
        }
    }

    /// It is time to write down what is wanted.
    pub fn on_keep_wants(self: &Rc<Self>) {
        let driver = Rc::clone(self);
        spawn_local(async move {
            // Tried again as soon as anything happens.
            let _ = driver.keep_wants().await;
        });
    }

    /// Writes down what is wanted for others, if it is not what was written.
    pub async fn keep_wants(&self) -> Result<(), PutError> {
        let now: Vec<_> = self.swarm.borrow().favours().collect();
        match &*self.wants.0.borrow() {
            Written::ByNobody => return Ok(()),
            Written::Known(written) if *written == now => return Ok(()),
            Written::Known(_) | Written::Unknown => {}
        }
        let result = self.store.replace_wants(&now).await;
        *self.wants.0.borrow_mut() = match &result {
            Ok(()) => Written::Known(now),
            Err(_) => Written::Unknown,
        };
        result
    }
}
