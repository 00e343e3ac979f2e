package console

import (
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

//go:embed assets templates
var files embed.FS

// asset is a file that pages load. It is the same for everybody.
type asset struct {
	mediaType string
	body      []byte
}

var assets = map[string]asset{
	"console.css": load("console.css", "text/css; charset=utf-8"),
	"console.js":  load("console.js", "text/javascript; charset=utf-8"),
	"console.svg": load("console.svg", "image/svg+xml"),
}

func load(name, mediaType string) asset {
	body, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err)
	}
	return asset{mediaType: mediaType, body: body}
}

func (a asset) serve(w http.ResponseWriter) {
	// Short, since its name stays the same when this package changes.
	w.Header().Set("Cache-Control", "private, max-age=300")
	write(w, http.StatusOK, a.mediaType, a.body)
}

// templates are the pages, and with "-live" the parts that change by themselves.
var templates = template.Must(template.New("console").Funcs(template.FuncMap{
	"number":  number,
	"size":    size,
	"took":    took,
	"rfc3339": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"utc":     func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
	"upper":   func(f webhook.LogFormat) string { return strings.ToUpper(string(f)) },
	"code":    code,
	"rest":    rest,
}).ParseFS(files, "templates/*.html"))

// whole is what templates have of integers: an int or an int64.
func whole(n any) int64 {
	if small, ok := n.(int); ok {
		return int64(small)
	}
	return n.(int64)
}

// number groups the digits of an integer.
func number(n any) string {
	s := strconv.FormatInt(whole(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size tells a number of bytes.
func size(n any) string {
	f, unit := float64(whole(n)), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if f < 1000 {
			break
		}
		f, unit = f/1000, next
	}
	if unit == "B" || f >= 100 {
		return strconv.FormatFloat(f, 'f', 0, 64) + " " + unit
	}
	return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 1, 64), ".0") + " " + unit
}

// took tells a duration to three digits.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "< 1 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// code tells an HTTP status.
func code(status int) string {
	if status == 0 {
		return "No answer"
	}
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// rest is what a reason says beyond the status, which stands beside it.
func rest(status int, reason string) string {
	for _, known := range []string{code(status), http.StatusText(status)} {
		if after, ok := strings.CutPrefix(reason, known); ok && status != 0 {
			return strings.TrimPrefix(after, ": ")
		}
	}
	return reason
}
