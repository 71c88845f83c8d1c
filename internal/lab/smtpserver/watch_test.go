package smtpserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripted is a connection whose reads give what the client sends, piece by piece.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s *scripted) Read(p []byte) (int, error)  { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return len(p), nil }
func (s *scripted) Close() error                { return nil }

// play lets a client's bytes and our replies pass: "<text" is read, ">text" written.
func play(steps ...string) (bad []string, w *watched) {
	w = &watched{bad: func(c, r string) { bad = append(bad, c+"|"+r) }}
	for _, s := range steps {
		c := &scripted{in: strings.NewReader(s[1:])}
		w.Conn = c
		if s[0] == '<' {
			_, _ = io.ReadAll(w)
		} else {
			_, _ = w.Write([]byte(s[1:]))
		}
	}
	return bad, w
}

func TestWatched(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []string
		want  []string
	}{
		{"good", []string{">220 x\r\n", "<EHLO a\r\n", ">250-a\r\n", ">250 b\r\n", "<QUIT\r\n", ">221 bye\r\n"}, nil},
		{"bad", []string{">220 x\r\n", "<HELLO\r\n", ">500 no\r\n"}, []string{"HELLO|500 no"}},
		{"pipelined", []string{">220 x\r\n", "<MAIL\r\nFOO\r\nNOOP\r\n", ">501 a\r\n", ">500 b\r\n", ">250 c\r\n"}, []string{"MAIL|501 a", "FOO|500 b"}},
		{"data", []string{">220 x\r\n", "<DATA\r\n", ">354 go\r\n", "<FOO\r\nBAR\r\n.", "<\r\nNOOP\r\nBAZ\r\n", ">250 ok\r\n", ">250 noop\r\n", ">500 b\r\n"}, []string{"BAZ|500 b"}},
		{"empty data, sent ahead", []string{">220 x\r\n", "<DATA\r\n.\r\nBAZ\r\n", ">354 go\r\n", ">250 ok\r\n", ">500 b\r\n"}, []string{"BAZ|500 b"}},
		{"chunk", []string{">220 x\r\n", "<BDAT 10\r\nFOO\r\nFO", "<O\r\nBAZ\r\n", ">250 ok\r\n", ">500 b\r\n"}, []string{"BAZ|500 b"}},
		{"secrets", []string{">220 x\r\n", "<AUTH LOGIN\r\n", ">334 VXNlcg==\r\n", "<c2VjcmV0\r\n", ">501 no\r\n", "<AUTH PLAIN c2VjcmV0\r\n", ">504 no\r\n"}, []string{"AUTH|504 no"}},
		{"TLS", []string{">220 x\r\n", "<STARTTLS\r\n", ">220 go\r\n", "<FOO\r\n", ">500 no\r\n"}, nil},
		{"a reply too many", []string{">220 x\r\n", "<FOO\r\n", ">500 a\r\n", ">500 too many\r\n"}, []string{"FOO|500 a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := play(tt.steps...); !cmp.Equal(got, tt.want) {
				t.Error(cmp.Diff(tt.want, got))
			}
		})
	}
}

// FuzzWatched lets anything pass in any pieces, and wants bounded memory.
func FuzzWatched(f *testing.F) {
	f.Add([]byte("DATA\r\nx\r\n.\r\nBDAT 5\r\nxxxxx"), []byte("220 a\r\n354 b\r\n250 c\r\n"), byte(3))
	f.Add([]byte("BDAT 99999999999999999999\r\nBDAT -5\r\n"), []byte("220 a\r\n250 b\r\n250 b\r\n"), byte(1))
	f.Fuzz(func(t *testing.T, in, out []byte, piece byte) {
		w := &watched{bad: func(c, r string) {
			if strings.ContainsAny(c, "\r\n") && strings.HasSuffix(c, "\n") {
				t.Fatalf("command %q", c)
			}
		}}
		replies := bytes.SplitAfter(out, []byte("\n"))
		for len(in) > 0 || len(replies) > 0 {
			n := min(len(in), int(piece)+1)
			w.Conn = &scripted{in: bytes.NewReader(in[:n])}
			_, _ = io.ReadAll(w)
			in = in[n:]
			if len(replies) > 0 {
				_, _ = w.Write(replies[0])
				replies = replies[1:]
			}
			if len(w.pending) > maxPending+1024 || w.skip < 0 || len(w.tail) > 4 {
				t.Fatalf("%d bytes pending, %d to skip, tail %q", len(w.pending), w.skip, w.tail)
			}
		}
		_, _ = w.verb(), w.ended()
	})
}

// FuzzInspect reads any header.
func FuzzInspect(f *testing.F) {
	f.Add([]byte("Received: x\r\n y\r\nMessage-ID:\r\n <a@b>\r\n\r\nReceived: z"))
	f.Fuzz(func(t *testing.T, head []byte) {
		n, id := inspect(head)
		if n > bytes.Count(head, []byte("\n"))+1 || id != "" && (!printableASCII(id) || id[0] != '<' || id[len(id)-1] != '>') {
			t.Fatalf("%d, %q", n, id)
		}
		if got, err := readHeader(bytes.NewReader(head)); err != nil || !bytes.HasPrefix(head, got) {
			t.Fatal(fmt.Errorf("%q: %w", got, err))
		}
	})
}
