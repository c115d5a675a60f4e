// The google.protobuf.FileDescriptorSet of everything that feedbackd serves.
#pragma once
#include <stddef.h>

// Where the set lies, and its size in bytes.
const unsigned char *feedbackd_descriptors(size_t *size);
