//! The types of numbers in PyTorch's files.

use super::super::dtype::Dtype;

/// A type of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ElementType {
    /// PyTorch's name.
    pub name: &'static str,
    /// The type by which the numbers are read; `None` if they are not read.
    pub dtype: Option<Dtype>,
    /// The size of a number in bytes.
    pub size: usize,
}

impl ElementType {
    const fn read(name: &'static str, dtype: Dtype, size: usize) -> Self {
        Self { name, dtype: Some(dtype), size }
    }

    const fn unread(name: &'static str, size: usize) -> Self {
        Self { name, dtype: None, size }
    }

    /// Returns the type that has this name in the module `torch`, such as `float32`, or whose storage has this name, such as `FloatStorage`.
    pub fn of_torch(name: &str) -> Option<Self> {
        TYPES.iter().find(|(element, storage)| element.name == name || *storage == Some(name)).map(|(element, _)| *element)
    }
}

/// The types, each with the name of its storage; `None` if PyTorch keeps its numbers only in storages of bytes.
#[rustfmt::skip]
const TYPES: [(ElementType, Option<&str>); 19] = [
    (ElementType::read("float64", Dtype::F64, 8), Some("DoubleStorage")),
    (ElementType::read("float32", Dtype::F32, 4), Some("FloatStorage")),
    (ElementType::read("float16", Dtype::F16, 2), Some("HalfStorage")),
    (ElementType::read("bfloat16", Dtype::Bf16, 2), Some("BFloat16Storage")),
    (ElementType::read("int64", Dtype::I64, 8), Some("LongStorage")),
    (ElementType::read("int32", Dtype::I32, 4), Some("IntStorage")),
    (ElementType::read("int16", Dtype::I16, 2), Some("ShortStorage")),
    (ElementType::read("int8", Dtype::I8, 1), Some("CharStorage")),
    (ElementType::read("uint64", Dtype::U64, 8), None),
    (ElementType::read("uint32", Dtype::U32, 4), None),
    (ElementType::read("uint16", Dtype::U16, 2), None),
    (ElementType::read("uint8", Dtype::U8, 1), Some("ByteStorage")),
    (ElementType::read("bool", Dtype::Bool, 1), Some("BoolStorage")),
    (ElementType::unread("complex64", 8), Some("ComplexFloatStorage")),
    (ElementType::unread("complex128", 16), Some("ComplexDoubleStorage")),
    (ElementType::unread("float8_e4m3fn", 1), None),
    (ElementType::unread("float8_e5m2", 1), None),
    (ElementType::unread("float8_e4m3fnuz", 1), None),
    (ElementType::unread("float8_e5m2fnuz", 1), None),
];
