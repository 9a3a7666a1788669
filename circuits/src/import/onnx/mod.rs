//! ONNX.
use super::{FloatModel, ImportError, ImportOptions};
pub(super) fn load(_b: &[u8], _o: &ImportOptions) -> Result<FloatModel, ImportError> {
    Err(ImportError::malformed("onnx", "", ""))
}
