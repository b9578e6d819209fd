//! Event handlers and who owns them.

use std::cell::RefCell;

use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};

/// Keeps event handlers alive as long as what they are attached to.
#[derive(Default)]
pub(crate) struct Handlers(RefCell<Vec<Handler>>);

type Handler = Closure<dyn FnMut(JsValue)>;

impl Handlers {
    /// A JavaScript function that calls `handle`, for as long as `self` lives.
    pub fn function(&self, handle: impl FnMut(JsValue) + 'static) -> js_sys::Function {
        let closure = Closure::<dyn FnMut(JsValue)>::new(handle);
        let function = closure.as_ref().unchecked_ref::<js_sys::Function>().clone();
        self.0.borrow_mut().push(closure);
        function
    }
}
