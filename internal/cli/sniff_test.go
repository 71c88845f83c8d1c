package cli

import (
	"io"
	"strings"
	"testing"
)

// TestSniffListing: a listing is known by its beginning; of one that nobody
// reads the error says what each adapter makes of it.
func TestSniffListing(t *testing.T) {
	const postfix, imta = "Mail queue is empty\n", "host active messages delayed messages\n\nexample.com 32 47\n"
	const reset = "Channel Messages Recipients Blocks\nims-ms\n   Stored -5 0 0\n"
	for _, tt := range []struct {
		name, text, want string
		wrong            []string
	}{
		{name: "postqueue", text: postfix, want: "postfix"},
		{name: "qm messages", text: imta, want: "imta"},
		{name: "counters below zero", text: reset, wrong: []string{"postfix: ", "imta: ", "set to zero"}},
		{name: "no listing", text: "hello\n", wrong: []string{"postfix: ", "imta: "}},
		{name: "nothing", wrong: []string{"postfix: ", "imta: "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, rest, err := sniffListing("listing", strings.NewReader(tt.text))
			if got != tt.want || (err == nil) != (tt.wrong == nil) {
				t.Fatalf("it is of %q, %v; want %q", got, err, tt.want)
			}
			for _, words := range tt.wrong {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("the error %q does not say %q", err, words)
				}
			}
			if err == nil {
				if all, _ := io.ReadAll(rest); string(all) != tt.text {
					t.Errorf("the reader gives %q", all)
				}
			}
		})
	}
}
