package main

// rawMessage is sent and received as plain bytes, for payloads that the generated code does not
// make.
type rawMessage struct {
	payload []byte
}

func (m *rawMessage) Reset()         { m.payload = nil }
func (m *rawMessage) String() string { return "raw message" }
func (m *rawMessage) ProtoMessage()  {}

// Marshal is what the protobuf library calls instead of encoding fields.
func (m *rawMessage) Marshal() ([]byte, error) { return m.payload, nil }

// Unmarshal is the counterpart of Marshal.
func (m *rawMessage) Unmarshal(payload []byte) error {
	m.payload = append([]byte(nil), payload...)
	return nil
}

// stringField encodes a string, bytes or message field of a number below 16.
func stringField(number int, content string) []byte {
	const lengthDelimited = 2
	field := []byte{byte(number<<3 | lengthDelimited)}
	length := len(content)
	for length >= 0x80 {
		field = append(field, byte(length)|0x80)
		length >>= 7
	}
	return append(append(field, byte(length)), content...)
}
