//! What a `WebSocket`, a data channel and a stand-in for one have in common.

use js_sys::Function;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    /// Sends and receives whole messages, see `PeerChannel` in the generated
    /// types.
    #[wasm_bindgen(typescript_type = "PeerChannel")]
    #[derive(Clone)]
    pub type Channel;

    #[wasm_bindgen(method, catch)]
    pub(super) fn send(this: &Channel, bytes: &[u8]) -> Result<(), JsValue>;
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &Channel);
    #[wasm_bindgen(method, getter, js_name = readyState)]
    pub(super) fn ready_state(this: &Channel) -> JsValue;
    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    pub(super) fn buffered_amount(this: &Channel) -> f64;
    #[wasm_bindgen(method, setter, js_name = bufferedAmountLowThreshold)]
    pub(super) fn set_low_threshold(this: &Channel, bytes: u32);
    #[wasm_bindgen(method, setter, js_name = binaryType)]
    pub(super) fn set_binary_type(this: &Channel, kind: &str);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onopen(this: &Channel, handler: Option<&Function>);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onmessage(this: &Channel, handler: Option<&Function>);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onbufferedamountlow(this: &Channel, handler: Option<&Function>);
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_onclose(this: &Channel, handler: Option<&Function>);
}
