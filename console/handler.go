package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Handler serves the page. It is safe for concurrent use, and starts nothing in
// the background.
type Handler struct {
	cfg Config
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler. An error names the field of cfg that is wrong.
func New(cfg Config) (*Handler, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	return &Handler{cfg: cfg}, nil
}

// maxForm bounds the body of a request, in bytes: an endpoint and an
// authorization of their greatest length fit in, escaped.
const maxForm = 64 << 10

// policy lets a page load what comes with it, and nothing else.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// call is a request on its way.
type call struct {
	*http.Request
	user     User
	webhooks []Webhook
	now      time.Time
}

// route is a page: what shows it, and what takes its forms.
type route struct {
	get  func(*Handler, *call, *page) error
	post func(*Handler, *call, *page) error
}

// routes are the pages by the last segment of their paths.
var routes = map[string]route{
	"":           {get: (*Handler).index},
	"setup":      {get: (*Handler).getSetup, post: (*Handler).postSetup},
	"replay":     {get: (*Handler).getReplay, post: (*Handler).postReplay},
	"deliveries": {get: (*Handler).getDeliveries, post: (*Handler).postDeliveries},
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")

	c := &call{Request: r, now: h.cfg.Clock.Now().UTC()}
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	if a, ok := assets[name]; ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) && h.open() {
		a.serve(w)
		return
	}
	p := &page{Site: h.cfg.Title, Tab: name}
	if err := h.serve(w, c, p); err != nil {
		h.fail(w, c, err)
		return
	}
	h.render(w, c, p)
}

// open reports whether anybody at all may be let in.
func (h *Handler) open() bool { return h.cfg.Authenticate != nil && h.cfg.Webhooks != nil }

// serve does what the request asks for, if it may.
func (h *Handler) serve(w http.ResponseWriter, c *call, p *page) error {
	if err := h.admit(c); err != nil {
		return err
	}
	p.User, p.Many = c.user, len(c.webhooks) > 1
	to, ok := routes[p.Tab]
	if !ok {
		return &failure{status: http.StatusNotFound}
	}
	serve := to.get
	switch c.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		serve = to.post
	default:
		serve = nil
	}
	if serve == nil {
		w.Header().Set("Allow", to.allowed())
		return &failure{status: http.StatusMethodNotAllowed}
	}
	if p.Tab != "" {
		if err := h.find(c, p); err != nil {
			return err
		}
	}
	if c.Method == http.MethodPost {
		if err := h.admitForm(w, c, p); err != nil {
			return err
		}
	}
	return serve(h, c, p)
}

func (t route) allowed() string {
	if t.post == nil {
		return "GET, HEAD"
	}
	return "GET, HEAD, POST"
}

// admit finds out who asks, and what they may see.
func (h *Handler) admit(c *call) (err error) {
	if !h.open() {
		return &failure{status: http.StatusForbidden, cause: errors.New("console: Config.Authenticate or Config.Webhooks is not set")}
	}
	if c.user, err = h.cfg.Authenticate(c.Request); err != nil {
		if errors.Is(err, ErrUnavailable) {
			return err
		}
		return &failure{status: http.StatusUnauthorized, cause: err}
	}
	if c.user.Source == "" {
		c.user.Source, _, _ = net.SplitHostPort(c.RemoteAddr)
	}
	c.webhooks, err = h.cfg.Webhooks(c.Context(), c.user)
	return err
}

// find looks the webhook up that the request is about.
func (h *Handler) find(c *call, p *page) error {
	id := c.URL.Query().Get("webhook")
	i := slices.IndexFunc(c.webhooks, func(w Webhook) bool { return w.ID == id })
	if i < 0 {
		return &failure{status: http.StatusNotFound}
	}
	p.Webhook = c.webhooks[i]
	if p.Webhook.Title == "" {
		p.Webhook.Title = id
	}
	return nil
}

// admitForm refuses forms of other sites and of those who may only look.
func (h *Handler) admitForm(w http.ResponseWriter, c *call, p *page) error {
	if err := h.cfg.CrossOrigin.Check(c.Request); err != nil {
		return &failure{status: http.StatusForbidden, text: "This form was sent from another site.", cause: err}
	}
	if !p.Admin() {
		return &failure{status: http.StatusForbidden, text: "You may look at this webhook, but not change it."}
	}
	c.Body = http.MaxBytesReader(w, c.Body, maxForm)
	if err := c.ParseForm(); err != nil {
		return &failure{status: http.StatusBadRequest, text: "The form could not be read.", cause: err}
	}
	return nil
}

// done sends the browser to the page that shows what became of a form, so that
// loading it again does not send the form again.
func (p *page) done(notice string) {
	p.location = p.Tab + "?" + url.Values{"webhook": {p.Webhook.ID}, "done": {notice}}.Encode()
}

// render answers with the page, or the part of it that changes by itself.
func (h *Handler) render(w http.ResponseWriter, c *call, p *page) {
	if p.location != "" {
		w.Header().Set("Location", p.location)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	name := p.template()
	live := c.Method == http.MethodGet && c.URL.Query().Has("live")
	if live {
		name += "-live"
	}
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, p); err != nil {
		h.fail(w, c, err)
		return
	}
	if live {
		sum := sha256.Sum256(body.Bytes())
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		w.Header().Set("ETag", tag)
		if c.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	write(w, p.code, "text/html; charset=utf-8", body.Bytes())
}

func write(w http.ResponseWriter, status int, mediaType string, body []byte) {
	if status == 0 {
		status = http.StatusOK
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a browser that has gone needs no answer
}

// failure is an answer that is not a page. Its text is a constant: nothing of a
// request or of an inner error is repeated.
type failure struct {
	status int
	text   string // what the user is told, if the status does not say it all
	cause  error  // for the log
}

func (f *failure) Error() string { return http.StatusText(f.status) }
func (f *failure) Unwrap() error { return f.cause }

// texts are what users are told where there is nothing more to say.
var texts = map[int]string{
	http.StatusUnauthorized:       "Sign in, then load this page again.",
	http.StatusForbidden:          "You may not use this page.",
	http.StatusNotFound:           "There is no such page, or you may not see it.",
	http.StatusServiceUnavailable: "Load this page again in a moment.",
}

// fail answers with a page that says so.
func (h *Handler) fail(w http.ResponseWriter, c *call, err error) {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{status: http.StatusInternalServerError, text: "Something went wrong on our side. It has been logged.", cause: err}
		for _, passing := range []error{ErrUnavailable, shipper.ErrClosed, store.ErrClosed, store.ErrFull, shipper.ErrFull} {
			if errors.Is(err, passing) {
				f = &failure{status: http.StatusServiceUnavailable, cause: err}
			}
		}
	}
	if f.text == "" {
		f.text = texts[f.status]
	}
	logRefusal(h.cfg.Logger, c, f)
	p := &page{Site: h.cfg.Title, User: c.user, Heading: http.StatusText(f.status), Text: f.text, Many: len(c.webhooks) > 0}
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, "error.html", p); err != nil { // it has nothing but texts
		panic(err)
	}
	write(w, f.status, "text/html; charset=utf-8", body.Bytes())
}
