package konnectapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// maxBody bounds the body of a request, in bytes: ten times what the largest
// one with something to say has, an authorization of escaped characters.
const maxBody = 64 << 10

// body reads the body of a write, which must be JSON: a browser sends no such
// type to another origin unasked.
func (c *call) body() ([]byte, error) {
	if c.ContentLength > maxBody {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(io.LimitReader(c.Body, maxBody+1))
	if err != nil {
		return nil, invalid("Could not parse request body", webhook.InvalidParameter{Field: "body", Reason: "request format is invalid"})
	}
	if len(body) > maxBody {
		return nil, tooLarge()
	}
	if (len(body) > 0 || c.Header.Get("Content-Type") != "") && !c.isJSON() {
		return nil, &failure{status: http.StatusUnsupportedMediaType, detail: "The request body must be application/json"}
	}
	return body, nil
}

func tooLarge() error {
	return &failure{
		status: http.StatusRequestEntityTooLarge, detail: "The request body is too large",
		cause: errors.New("konnectapi: the body of a request is larger than 64 KiB"),
	}
}

// isJSON reports whether the body is declared as JSON in UTF-8, as it is.
func (c *call) isJSON() bool {
	mediaType, parameters, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" || len(c.Header.Values("Content-Type")) > 1 {
		return false
	}
	if charset, ok := parameters["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	encoding := c.Header.Get("Content-Encoding")
	return encoding == "" || strings.EqualFold(encoding, "identity")
}
