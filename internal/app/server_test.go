package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The socket takes no other file's place, nor that of a daemon that answers;
// one that a killed daemon left is replaced.
func TestListenUnix(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "notes")
	if err := os.WriteFile(file, []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link, dir} {
		if l, err := listenUnix(path); err == nil || !strings.Contains(err.Error(), "is no socket") {
			t.Errorf("%s: got %v, %v", path, l, err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "keep me" {
		t.Errorf("the file in the way holds %q, %v", text, err)
	}
	path := filepath.Join(dir, "sock")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if _, err := listenUnix(path); err == nil || !strings.Contains(err.Error(), "another program answers") {
		t.Errorf("beside a daemon: got %v", err)
	}
	_ = left.Close()
	l, err := listenUnix(path)
	if err != nil {
		t.Fatalf("a socket left behind: %v", err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	_ = l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays after its end: %v", err)
	}
}

// The mode is right from the first moment, before any chmod of the file.
func TestSocketModeFromTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	lc := net.ListenConfig{Control: setSocketMode}
	l, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode().Perm(); m&^socketMode != 0 {
		t.Errorf("the socket begins with mode %v", m)
	}
}

// Messages are shown on the socket, and on TCP only when asked for.
func TestWhoMaySeeMessages(t *testing.T) {
	for _, tt := range []struct {
		name   string
		expose bool
		tcp    error
	}{
		{"as it is", false, fs.ErrPermission},
		{"exposed", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Listen, cfg.DataDir, cfg.ExposeMessages = "127.0.0.1:0", t.TempDir(), tt.expose
			log := slog.New(slog.DiscardHandler)
			doors, err := listen(cfg, log)
			if err != nil {
				t.Fatal(err)
			}
			if len(doors) != 2 {
				t.Fatalf("%d doors", len(doors))
			}
			src := sourceOf(t)
			ctx, cancel := context.WithCancel(t.Context())
			ends := make(chan error, 2)
			for _, d := range doors {
				h, err := handler(surfaces{src: src, cfg: cfg, log: log}, d)
				if err != nil {
					t.Fatal(err)
				}
				go func() { ends <- serve(ctx, d, h) }()
			}
			for _, addr := range []string{doors[0].Addr().String(), "unix:" + cfg.SocketPath()} {
				want := tt.tcp
				if strings.HasPrefix(addr, "unix:") {
					want = nil
				}
				c := api.NewClient(addr, 0)
				if _, err := c.Messages(ctx, view.MessageQuery{}); !errors.Is(err, want) {
					t.Errorf("messages at %s: got %v, want %v", addr, err, want)
				}
				_, err := c.Trace(ctx, view.TraceQuery{Text: "x"}, func(view.TraceStep) bool { return true }, func(view.Progress) {})
				if !errors.Is(err, want) || want != nil && !strings.Contains(view.AdviceOf(err), "expose_messages") {
					t.Errorf("trace at %s: got %v (%s), want %v", addr, err, view.AdviceOf(err), want)
				}
				if _, err := c.Queue(ctx, view.QueueQuery{}); err != nil {
					t.Errorf("queue at %s: %v", addr, err)
				}
			}
			cancel()
			for range doors {
				if err := <-ends; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// serve ends after the requests that run, so that nothing is closed under
// them.
func TestServeWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside := make(chan struct{})
	var answered atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			close(inside)
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond) // work that goes on while the server stops
			answered.Store(true)
		}))
	}()
	go func() {
		if r, err := http.Get("http://" + l.Addr().String()); err == nil {
			_ = r.Body.Close()
		}
	}()
	<-inside
	cancel()
	if err := <-ended; err != nil || !answered.Load() {
		t.Errorf("serve ended with %v, request answered: %t", err, answered.Load())
	}
}

// Nobody takes all descriptors of the daemon by holding connections to it.
func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, l, http.NotFoundHandler()) }()
	var held []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	answered := func() bool {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
		res, err := client.Get("http://" + l.Addr().String())
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	}
	if answered() {
		t.Errorf("one beyond %d is answered", maxConnections)
	}
	for _, c := range held[:10] {
		_ = c.Close()
	}
	for start := time.Now(); !answered(); {
		if time.Since(start) > 5*time.Second {
			t.Fatal("those that ended still count")
		}
	}
	for _, c := range held[10:] {
		_ = c.Close()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
