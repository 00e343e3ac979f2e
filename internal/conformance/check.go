package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// CheckRequest returns what is wrong with a request, nil if nothing is. It
// reads the body and puts it back.
func (s *Suite) CheckRequest(r *http.Request) error {
	operation, route, parameters, err := s.find(r)
	if err != nil {
		return err
	}
	body, err := reread(&r.Body)
	if err != nil {
		return err
	}
	// Of a copy: the validator fills defaults in.
	clone := r.Clone(r.Context())
	clone.Body = io.NopCloser(bytes.NewReader(body))
	if err := openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: clone, PathParams: parameters, Route: route, Options: options(),
	}); err != nil {
		return fmt.Errorf("%s: the request: %w", operation, err)
	}
	if unknown := unknownParameters(route.PathItem.Parameters, route.Operation.Parameters, r.URL.Query()); len(unknown) > 0 {
		return fmt.Errorf("%s: the request: parameters that the file does not have: %v", operation, unknown)
	}
	switch {
	case len(body) == 0:
	case route.Operation.RequestBody == nil:
		return fmt.Errorf("%s: the request: a body where the file has none", operation)
	default:
		if err := checkContent(route.Operation.RequestBody.Value.Content, r.Header, body, false); err != nil {
			return fmt.Errorf("%s: the request: %w", operation, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[operation]++
	return nil
}

// CheckAnswer returns what is wrong with the answer to a request, nil if
// nothing is: a status that is not documented, another media type, a body
// against the schema, a member that the schema does not have, or one that only
// it has. It reads the body and puts it back.
func (s *Suite) CheckAnswer(r *http.Request, resp *http.Response) error {
	operation, route, parameters, err := s.find(r)
	if err != nil {
		return err
	}
	body, err := reread(&resp.Body)
	if err != nil {
		return err
	}
	fault := func(err error) error { return fmt.Errorf("%s: the answer %d: %w", operation, resp.StatusCode, err) }
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route},
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Body:                   io.NopCloser(bytes.NewReader(body)),
		Options:                options(),
	})
	if err != nil {
		return fault(err)
	}
	content := route.Operation.Responses.Status(resp.StatusCode).Value.Content
	switch {
	case len(content) > 0:
		if err := checkContent(content, resp.Header, body, true); err != nil {
			return fault(err)
		}
	case len(body) > 0:
		return fault(errors.New("a body where the file has none"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[operation] == nil {
		s.answers[operation] = map[int]int{}
	}
	s.answers[operation][resp.StatusCode]++
	return nil
}

// Transport returns a transport that checks each request before next has it,
// and the answer of next, and reports what is wrong to fail.
func (s *Suite) Transport(next http.RoundTripper, fail func(error)) http.RoundTripper {
	return transport(func(r *http.Request) (*http.Response, error) {
		if err := s.CheckRequest(r); err != nil {
			fail(err)
		}
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if err := s.CheckAnswer(r, resp); err != nil {
			fail(err)
		}
		return resp, nil
	})
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func options() *openapi3filter.Options {
	return &openapi3filter.Options{
		IncludeResponseStatus:             true,
		RejectWhenRequestBodyNotSpecified: true,
		SkipSettingDefaults:               true,
		AuthenticationFunc:                authenticate,
		SchemaValidationOptions: []openapi3.SchemaValidationOption{
			openapi3.EnableFormatValidation(),
			openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
		},
	}
}

// authenticate wants a token of some kind: all schemes of the files are Bearer.
func authenticate(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	header := input.RequestValidationInput.Request.Header.Get("Authorization")
	if token, ok := strings.CutPrefix(header, "Bearer "); !ok || token == "" {
		return errors.New("no bearer token")
	}
	return nil
}

// checkContent checks the members of a body by the schema of its media type.
func checkContent(content openapi3.Content, header http.Header, body []byte, answer bool) error {
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return err
	}
	return checkMembers(content.Get(mediaType).Schema, body, answer)
}

// reread reads a body and puts back what it read.
func reread(body *io.ReadCloser) ([]byte, error) {
	if *body == nil {
		return nil, nil
	}
	content, err := io.ReadAll(*body)
	if closed := (*body).Close(); err == nil {
		err = closed
	}
	*body = io.NopCloser(bytes.NewReader(content))
	return content, err
}
