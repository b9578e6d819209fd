//! The machine's clock and its one timer.

use std::cell::Cell;
use std::rc::Rc;

use samara_swarm::Time;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::WorkerGlobalScope;

use crate::number::whole;

/// Longest delay of `setTimeout`, in milliseconds.
const MOST: u64 = i32::MAX as u64;

/// Milliseconds since the worker started.
pub(crate) fn now() -> Time {
    let performance = scope().performance();
    Time(performance.map_or(0, |performance| whole(performance.now())))
}

fn scope() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Calls back once, at the earliest time it was set to.
pub(crate) struct Alarm {
    callback: Closure<dyn FnMut()>,
    set: Rc<Cell<Option<(Time, i32)>>>,
}

impl Alarm {
    pub fn new(mut ring: impl FnMut() + 'static) -> Self {
        let set = Rc::new(Cell::new(None));
        let running = Rc::clone(&set);
        let callback = Closure::new(move || {
            running.set(None);
            ring();
        });
        Self { callback, set }
    }

    /// Rings at `time` or before. An earlier setting stands: ringing early
    /// costs less than setting timers anew with every message.
    pub fn set(&self, time: Time) {
        if let Some((earlier, handle)) = self.set.get() {
            if earlier <= time {
                return;
            }
            scope().clear_timeout_with_handle(handle);
        }
        let delay = time.0.saturating_sub(now().0).min(MOST);
        let delay = i32::try_from(delay).expect("limited to an i32");
        let callback = self.callback.as_ref().unchecked_ref();
        let handle = scope()
            .set_timeout_with_callback_and_timeout_and_arguments_0(callback, delay)
            .expect("a worker has timers");
        self.set.set(Some((time, handle)));
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some((_, handle)) = self.set.take() {
            scope().clear_timeout_with_handle(handle);
        }
    }
}
