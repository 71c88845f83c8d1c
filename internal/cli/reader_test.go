package cli

import "io"

// stepReader gives a text in pieces of step bytes.
type stepReader struct {
	text string
	step int
}

// Read implements io.Reader.
func (r *stepReader) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.text)
	r.text = r.text[n:]
	return n, nil
}
