package queue

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParseName: a name that is taken comes back from its parts, and names a
// file in its own directory.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"ZZf0s690kN_y0.00", "ZY1.HELD", "$Zx.00", "ZZ../x.00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		attempts, unique, suffix, held, ok := ParseName(s)
		if !ok {
			return
		}
		if Name(attempts, unique, suffix) != s || held != (suffix == heldSuffix) || filepath.Base(s) != s || attempts < 0 || attempts > maxAttempts {
			t.Errorf("%q: %d %q %q", s, attempts, unique, suffix)
		}
	})
}

// FuzzFile: what is read as a queue file has recipients and a content within
// it, and can be rewritten to a file that reads the same.
func FuzzFile(f *testing.F) {
	head, err := appendEnvelope(nil, testEnvelope(), "Boundary_(ID_x)")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(head, "Subject: x\n\nbody\nBoundary_(ID_x)\nhistory\nhal"...))
	f.Add([]byte("f;a\nb\nBoundary_(ID_)\nBoundary_(ID_)\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Message
		if err := m.parse(bytes.NewReader(text), int64(len(text))); err != nil {
			return
		}
		if len(m.Recipients) == 0 || m.start < 0 || m.size < 0 || m.start+m.size > int64(len(text)) || m.end > int64(len(text)) {
			t.Fatalf("start %d, size %d, end %d of %d; %d recipients", m.start, m.size, m.end, len(text), len(m.Recipients))
		}
		name := filepath.Join(t.TempDir(), Name(0, "x", "00"))
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		q := &Queue{}
		a, err := q.Lock(Entry{Path: name})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		want, err := io.ReadAll(a.Content())
		if err != nil {
			t.Fatal(err)
		}
		if err := a.rewrite(a.Recipients[:1], "more"); err != nil {
			return // a value that Enqueue would have refused
		}
		b, err := q.Read(Entry{Path: name})
		if err != nil {
			t.Fatalf("after a rewrite: %v", err)
		}
		defer b.Close()
		got, err := io.ReadAll(b.Content())
		if err != nil || !bytes.Equal(got, want) || b.Recipients[0].Address != a.Recipients[0].Address {
			t.Fatalf("content %q, want %q; %v", got, want, err)
		}
	})
}
