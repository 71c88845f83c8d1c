package adaptertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Host is a machine made from the sections of a txtar archive:
//
//	file/PATH       a file; below proc, \0 is a zero byte
//	dir/PATH        an empty directory
//	link/PATH       a symbolic link to what the section's text names
//	denied/PATH     permission denied: PATH may not be opened, nor what is
//	                below it be seen
//	run/COMMAND     what the command line COMMAND prints
//	fail/COMMAND    the error with which it ends
//	dial/PATH       what the unix socket at /PATH sends; \0 is a zero byte,
//	                line ends are left out
//	nodial/PATH     why the socket cannot be reached: "denied" or a text
//	proc            one mta.Process a line, as JSON
//	mtime           "TIME PATH" a line: when a file was written, as in RFC 3339;
//	                other files have no time
//
// What no section names does not exist. The zero value is an empty machine.
type Host struct {
	files  fstest.MapFS
	denied []string
	runs   map[string]string
	fails  map[string]string
	dials  map[string]string
	noDial map[string]string
	procs  []mta.Process
}

var _ adapter.Host = (*Host)(nil)

// NewHost reads the sections above and skips all others.
func NewHost(a *txtar.Archive) (*Host, error) {
	h := &Host{files: fstest.MapFS{}, runs: map[string]string{}, fails: map[string]string{}, dials: map[string]string{}, noDial: map[string]string{}}
	for _, f := range a.Files {
		kind, name, _ := strings.Cut(f.Name, "/")
		name = strings.Trim(name, "/")
		text := string(f.Data)
		switch kind {
		case "file":
			if strings.HasPrefix(name, "proc/") {
				text = zeros(text)
			}
			h.files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		case "dir":
			h.files[name] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
		case "link":
			h.files[name] = &fstest.MapFile{Data: []byte(strings.TrimSpace(text)), Mode: fs.ModeSymlink | 0o777}
		case "denied":
			h.denied = append(h.denied, name)
		case "run":
			h.runs[strings.TrimPrefix(f.Name, "run/")] = text
		case "fail":
			h.fails[strings.TrimPrefix(f.Name, "fail/")] = strings.TrimSpace(text)
		case "dial":
			h.dials["/"+name] = zeros(strings.ReplaceAll(text, "\n", ""))
		case "nodial":
			h.noDial["/"+name] = strings.TrimSpace(text)
		case "proc":
			procs, err := readProcesses(f.Data)
			if err != nil {
				return nil, err
			}
			h.procs = append(h.procs, procs...)
		}
	}
	for _, f := range a.Files {
		if f.Name == "mtime" {
			if err := h.setTimes(string(f.Data)); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

// setTimes reads the section mtime.
func (h *Host) setTimes(text string) error {
	for line := range strings.Lines(text) {
		at, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		f := h.files[strings.Trim(name, "/")]
		t, err := time.Parse(time.RFC3339, at)
		if err == nil && f == nil {
			err = fmt.Errorf("no section file/%s", name)
		}
		if err != nil {
			return fmt.Errorf("read section mtime: %w", err)
		}
		f.ModTime = t
	}
	return nil
}

func zeros(text string) string { return strings.ReplaceAll(text, `\0`, "\x00") }

func readProcesses(b []byte) ([]mta.Process, error) {
	var list []mta.Process
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	for {
		var p mta.Process
		err := d.Decode(&p)
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read section proc: %w", err)
		}
		list = append(list, p)
	}
}

func (h *Host) allowed(op, name string) error {
	for _, d := range h.denied {
		if name == d || strings.HasPrefix(name, d+"/") {
			return &fs.PathError{Op: op, Path: name, Err: fs.ErrPermission}
		}
	}
	return nil
}

// Open opens a file of the archive.
func (h *Host) Open(name string) (fs.File, error) {
	if err := h.allowed("open", name); err != nil {
		return nil, err
	}
	return h.files.Open(name)
}

// ReadLink gives what a link names.
func (h *Host) ReadLink(name string) (string, error) {
	if err := h.allowed("readlink", name); err != nil {
		return "", err
	}
	return h.files.ReadLink(name)
}

// Lstat describes a file without following it.
func (h *Host) Lstat(name string) (fs.FileInfo, error) {
	if err := h.allowed("lstat", path.Dir(name)); err != nil {
		return nil, err
	}
	return h.files.Lstat(name)
}

// Run gives the text of the section for this command line.
func (h *Host) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	line := strings.Join(append([]string{name}, args...), " ")
	if text, ok := h.runs[line]; ok {
		return []byte(text), nil
	}
	if text, ok := h.fails[line]; ok {
		return nil, errors.New(text)
	}
	return nil, fmt.Errorf("run %s: executable file not found", name)
}

// Dial gives a connection that sends the text of the section and ends.
func (h *Host) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if text, ok := h.dials[address]; ok && network == "unix" {
		return &conn{r: strings.NewReader(text)}, nil
	}
	switch why := h.noDial[address]; why {
	case "":
		return nil, fmt.Errorf("dial %s %s: %w", network, address, fs.ErrNotExist)
	case "denied":
		return nil, fmt.Errorf("dial %s %s: %w", network, address, fs.ErrPermission)
	default:
		return nil, fmt.Errorf("dial %s %s: %s", network, address, why)
	}
}

// Processes gives the processes of the archive.
func (h *Host) Processes(ctx context.Context) ([]mta.Process, error) { return h.procs, ctx.Err() }

// conn sends one text in small pieces and takes anything.
type conn struct{ r *strings.Reader }

func (c *conn) Read(p []byte) (int, error)  { return c.r.Read(p[:min(len(p), 100)]) }
func (c *conn) Write(p []byte) (int, error) { return len(p), nil }
func (c *conn) Close() error                { return nil }
