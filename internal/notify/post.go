package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Poster sends JSON over HTTP for the channels that do.
type Poster struct {
	url    *url.URL
	client *http.Client
}

// NewPoster makes a Poster for one place. The error never shows more of the
// address than its host: paths and queries of webhooks are often secrets.
func NewPoster(address string) (*Poster, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is no address that can be read")
	}
	if text := CheckURL(u.Scheme, u.Host); text != "" {
		return nil, errors.New(text)
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	return &Poster{url: u, client: &http.Client{Transport: t,
		// A redirect would turn the POST into a GET.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Host gives the host and port, which may be shown.
func (p *Poster) Host() string { return p.url.Host }

// Post sends one body. Network errors, 408, 429 and 5xx may be tried again;
// Retry-After is heeded (RFC 9110). Other answers but 2xx are for good.
func (p *Poster) Post(ctx context.Context, path string, body []byte, header map[string]string) (retry bool, err error) {
	u := p.url
	if path != "" {
		u = u.JoinPath(path)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("post to %s: the address is no good", p.Host())
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "mtawatch")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err // without the address
		}
		return true, fmt.Errorf("post to %s: %w", p.Host(), err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	code := resp.StatusCode
	if code >= 200 && code < 300 {
		return false, nil
	}
	err = fmt.Errorf("post to %s: status %d %s", p.Host(), code, http.StatusText(code))
	switch {
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		if after := retryAfter(resp.Header.Get("Retry-After"), time.Now()); after > 0 {
			return true, &RetryAfter{after, err}
		}
		return true, err
	case code == http.StatusRequestTimeout || code >= 500:
		return true, err
	case code >= 300 && code < 400:
		return false, fmt.Errorf("%w; it has moved: put the new address into the configuration", err)
	}
	return false, err
}

// retryAfter reads seconds or an HTTP date; 0 for neither.
func retryAfter(s string, now time.Time) time.Duration {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}
