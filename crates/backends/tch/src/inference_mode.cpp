// Burn differentiates by itself, so libtorch need not get ready to: in its inference mode tensors carry neither versions nor
// what a backward pass wants, and a small operation costs a quarter less.
//
// The mode belongs to a thread, and this constructor runs on the main one, where all tensors of a program are made and used.

#include <c10/core/InferenceMode.h>

// Never freed: the end of the program comes soon enough.
static const auto *const inference_mode = new c10::InferenceMode(true);
