package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Where --mta is not given the first bytes of what is to be read tell which
// mail server wrote it: every adapter tries them.

const (
	sniffBytes = 256 << 10
	sniffLines = 500
)

// ambiguous asks for --mta where several mail servers could have written it.
func ambiguous(name string, list []string) error {
	return view.Advise(fmt.Errorf("%s could be of %s", clean(name), strings.Join(list, " or of ")), "say which with --mta")
}

// sniffLogs gives the mail server that wrote the first log whose lines tell;
// "postfix" where none does, and the reading says that nothing was found.
func sniffLogs(files []string) (string, error) {
	for _, name := range files {
		in, err := openLog(name)
		if err != nil {
			continue // the reading names it
		}
		head, err := io.ReadAll(io.LimitReader(in, sniffBytes))
		in.Close()
		if err != nil && len(head) == 0 {
			continue
		}
		list := logWriters(string(head))
		switch len(list) {
		case 0:
		case 1:
			return list[0], nil
		default:
			return "", ambiguous(name, list)
		}
	}
	return all.Adapters()[0].Name, nil
}

// logWriters gives the mail servers whose parser reads most of its lines
// there, and none that another reads ten times as much of.
func logWriters(head string) []string {
	adapters := all.Adapters()
	read := make([]int, len(adapters))
	for i := range adapters {
		read[i] = linesRead(adapters[i].Parser(adapter.ParserConfig{}), head)
	}
	most := slices.Max(read)
	var list []string
	for i, n := range read {
		if n > 0 && 10*n > most {
			list = append(list, adapters[i].Name)
		}
	}
	return list
}

// linesRead counts the lines that give events, less those that are not understood.
func linesRead(p adapter.Parser, head string) (n int) {
	lines := 0
	for line := range strings.Lines(head) {
		if lines++; lines > sniffLines {
			break
		}
		if !strings.HasSuffix(line, "\n") && len(head) >= sniffBytes {
			break // cut
		}
		switch events, err := p.Parse(nil, adapter.Line{Text: strings.TrimRight(line, "\r\n")}); {
		case err != nil:
			n--
		case len(events) > 0:
			n++
		}
	}
	return n
}

// sniffListing gives the mail server that made a listing, and a reader that
// begins where r did. Where none knows it the error says what each makes of it.
func sniffListing(name string, r io.Reader) (string, io.Reader, error) {
	head, err := io.ReadAll(io.LimitReader(r, sniffBytes))
	if err != nil {
		return "", nil, fmt.Errorf("read %s: %w", name, err)
	}
	var list []string
	var wrong []error
	for _, a := range all.Adapters() {
		if a.ReadList == nil {
			continue
		}
		if err := notListing(&a, head); err != nil {
			wrong = append(wrong, fmt.Errorf("as one of %s: %w", a.Name, err))
		} else {
			list = append(list, a.Name)
		}
	}
	rest := io.MultiReader(bytes.NewReader(head), r)
	switch len(list) {
	case 0:
		return "", nil, noListing(name, errors.Join(wrong...))
	case 1:
		return list[0], rest, nil
	}
	return "", nil, ambiguous(name, list)
}

// notListing gives what is wrong with a text as an adapter's listing; nil when
// its beginning gives a message, or is the whole listing of an empty queue.
func notListing(a *adapter.Adapter, head []byte) error {
	for _, err := range a.ReadList(bytes.NewReader(head)) {
		if len(head) == sniffBytes && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return err
	}
	return nil
}

// noListing says that a text is not a queue's listing, or half of one.
func noListing(name string, err error) error {
	return view.Advise(fmt.Errorf("%s: %w", clean(name), err), "give the output of the mail server's own queue command; --mta says which it is")
}
