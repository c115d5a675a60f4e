// The ttrpc frame with which the echo servers answer every AddFeedback: an answer of usual size,
// encoded beforehand.
#pragma once

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum {
    FRAME_HEADER_BYTES = 10,
    FRAME_TYPE_REQUEST = 1,
    RESPONSE_FRAME_BYTES = 146,
};

// Numbers in a frame's header are big-endian.
static inline uint32_t load_u32(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void store_u32(uint8_t *bytes, uint32_t value) {
    bytes[0] = (uint8_t)(value >> 24);
    bytes[1] = (uint8_t)(value >> 16);
    bytes[2] = (uint8_t)(value >> 8);
    bytes[3] = (uint8_t)value;
}

// Writes the response frame, RESPONSE_FRAME_BYTES bytes.
static inline void put_response_frame(uint8_t *output, uint32_t stream_id) {
    static const char frame[] =
        "\x00\x00\x00\x88" "\x00\x00\x00\x00" "\x02\x00"  // length, stream id, response, flags
        "\x12\x85\x01"                                    // ttrpc.Response.payload
        "\x0a\x82\x01"                                    // AddFeedbackResponse.feedback
        "\x0a\x24" "018d3165-bd40-7c5e-9f2a-4b7d8e61c0f3"          // feedback_id
        "\x12\x12" "session-0000000042"                            // session_id
        "\x18\x01"                                                 // rating: up
        "\x22\x28" "Very helpful response, solved my problem"      // comment
        "\x2a\x0c\x08\xf0\x85\xba\xad\x06\x10\x80\xca\xb5\xee\x01"   // created_at
        "\x32\x0c\x08\xf0\x85\xba\xad\x06\x10\x80\xca\xb5\xee\x01";  // updated_at
    static_assert(sizeof frame == RESPONSE_FRAME_BYTES + 1, "one byte more, the string's NUL");
    memcpy(output, frame, RESPONSE_FRAME_BYTES);
    store_u32(output + 4, stream_id);
}
