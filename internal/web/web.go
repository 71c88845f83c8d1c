// Package web serves the pages: the dashboard that is built from web/ and
// embedded, and the plain page, rendered here without any script, which shows
// the same facts. In come the questions of view.Source; out goes HTML.
//
// Promised: text from mail stands in a page as text, and the policy that goes
// with every answer permits no script, style or request of elsewhere. Without
// a built dashboard the plain page is the front page.
package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/view"
)

//go:embed all:dist
var built embed.FS

//go:embed plain
var plain embed.FS

// Policy is the Content-Security-Policy of every answer.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// Headers puts before every answer what tells browsers to be strict.
func Headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", Policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// Session is whose page it is.
type Session struct {
	User string // "" where nobody logs in
	CSRF string
}

// Config sets up the pages. Zero values: the embedded dashboard, nobody logs in.
type Config struct {
	Source  view.Source
	NoLines bool                        // log lines of findings are not shown
	Session func(*http.Request) Session // nil: nobody logs in
	Files   fs.FS                       // the built dashboard; nil: the embedded one
}

// pages serves all that is no API.
type pages struct {
	cfg    Config
	app    []byte // index.html; nil: none was built
	files  map[string]*file
	sheets *template.Template
}

// file is one file as it is sent.
type file struct {
	text, packed []byte // packed: gzip; nil where that is no shorter
	kind         string
	lasting      bool // its name changes with its content
}

// New reads the files of the dashboard. They are few, and stay in memory.
func New(cfg Config) (http.Handler, error) {
	p := &pages{cfg: cfg, files: make(map[string]*file)}
	style, err := plain.ReadFile("plain/plain.css")
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	if p.sheets, err = template.New("").Funcs(words()).ParseFS(plain, "plain/*.html"); err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	if cfg.Files == nil {
		if p.cfg.Files, err = fs.Sub(built, "dist"); err != nil {
			return nil, fmt.Errorf("read pages: %w", err)
		}
	}
	err = fs.WalkDir(p.cfg.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		text, err := fs.ReadFile(p.cfg.Files, name)
		if name == "index.html" {
			p.app = text
		}
		p.files["/"+name] = newFile(name, text, strings.HasPrefix(name, "assets/"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read pages: %w", err)
	}
	p.files["/assets/plain.css"] = newFile("plain.css", style, false)
	return p, nil
}

func newFile(name string, text []byte, lasting bool) *file {
	f := &file{text: text, kind: mime.TypeByExtension(path.Ext(name)), lasting: lasting}
	switch path.Ext(name) { // whatever this machine's table says
	case ".js":
		f.kind = "text/javascript; charset=utf-8"
	case ".css":
		f.kind = "text/css; charset=utf-8"
	case ".html":
		f.kind = "text/html; charset=utf-8"
	case ".svg":
		f.kind = "image/svg+xml"
	case "":
		f.kind = "text/plain; charset=utf-8"
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(text)
	}
	if err == nil && z.Close() == nil && b.Len() < len(text)*9/10 {
		f.packed = b.Bytes()
	}
	return f
}

// appViews are the addresses that the dashboard itself understands; those
// below findings name one finding.
var appViews = [...]appView{{"/", "Overview"}, {"/queues", "Queues"}, {"/failures", "Failures"}, {"/connections", "Connections"}, {"/daemons", "Daemons"},
	{"/trace", "Trace"}, {"/findings", "Findings"}, {"/blind-spots", "Blind spots"}}

// appView is one view of the dashboard.
type appView struct{ Path, Title string }

// ServeHTTP finds the page.
func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	at := path.Clean(r.URL.Path)
	f := p.files[at]
	switch {
	case at != r.URL.Path && at+"/" != r.URL.Path: // who let it in took it for another
		p.lost(w, r, false)
	case f != nil && at != "/index.html":
		f.serve(w, r)
	case at == "/plain":
		p.servePlain(w, r)
	case strings.HasPrefix(at, "/plain/findings/"):
		p.serveFinding(w, r, strings.TrimPrefix(at, "/plain/findings/"))
	case !isApp(at):
		p.lost(w, r, false)
	case p.app != nil:
		w.Header().Set("Cache-Control", "no-cache")
		p.files["/index.html"].serve(w, r)
	case strings.HasPrefix(at, "/findings/"):
		p.serveFinding(w, r, strings.TrimPrefix(at, "/findings/"))
	default:
		p.servePlain(w, r)
	}
}

func isApp(at string) bool {
	for _, v := range appViews {
		if v.Path == at {
			return true
		}
	}
	id, ok := strings.CutPrefix(at, "/findings/")
	return ok && id != "" && !strings.Contains(id, "/")
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	switch {
	case f.lasting:
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	case h.Get("Cache-Control") == "":
		h.Set("Cache-Control", "no-cache")
	}
	text := f.text
	if f.packed != nil && takesGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // the reader may be gone
	}
}

// takesGzip reads Accept-Encoding as far as it matters: gzip, and not refused.
func takesGzip(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return !strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0") || strings.HasPrefix(strings.ReplaceAll(q, " ", ""), "q=0.")
		}
	}
	return false
}

// answerWithin bounds what a page may take.
const answerWithin = 10 * time.Second

// status gives the code for an error of the source.
func status(err error) int {
	if errors.Is(err, view.ErrQuestion) {
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}
