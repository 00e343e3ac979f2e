package client

import (
	"errors"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T
	// Next and Previous are the cursors of the pages beside this one, for the
	// options After and Before of the same list with the same filters and
	// size. They are empty at the ends.
	Next, Previous string
	// Size is the most items in a page, as the server understood it.
	Size int
}

// newPage returns the page of an answer. The link to the next page must hold a
// cursor, or the end of the list would go missing without a word.
func newPage[T any](c call, items []T, meta webhook.PageMeta) (Page[T], error) {
	next, err := cursor(meta.Next, "after")
	if err != nil {
		return Page[T]{}, c.errorf("%w", err)
	}
	previous, err := cursor(meta.Previous, "before")
	if err != nil {
		previous = "" // only those who go back miss it
	}
	return Page[T]{Items: items, Next: next, Previous: previous, Size: meta.Size}, nil
}

// all follows the cursors of a list from the page after start. It asks for each
// page by its cursor.
func all[T any](start string, list func(after string) (Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		seen := map[string]bool{start: true}
		for after := start; ; {
			page, err := list(after)
			if err != nil {
				yield(zero, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			if seen[page.Next] {
				yield(zero, errors.New("client: the pages of the list form a loop: the server gave a cursor twice"))
				return
			}
			seen[page.Next] = true
			after = page.Next
		}
	}
}

// paging returns the parameters that all lists have.
func paging(size int, after, before string) url.Values {
	q := url.Values{}
	if size != 0 {
		q.Set("page[size]", strconv.Itoa(size))
	}
	set(q, "page[after]", after)
	set(q, "page[before]", before)
	return q
}

// set sets a parameter unless its value is empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// cursor takes the cursor for page[after] or page[before] out of a link; that
// of no link is empty. The text is all there is to go by: links in Konnect's
// OpenAPI files have paths that no host serves, brackets that are escaped or
// not, and one escape that is cut short ("page%5Bsize%5=1"). A text that is no
// link is taken for the cursor itself.
func cursor(link, direction string) (string, error) {
	if link == "" {
		return "", nil
	}
	_, query, isLink := strings.Cut(link, "?")
	if !isLink {
		query = link
	}
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || parameterName(name) != "page["+direction+"]" {
			continue
		}
		// Not as in a form, where a plus sign is a space: there are none in
		// cursors, and plus signs in those in base64.
		if unescaped, err := url.PathUnescape(value); err == nil {
			value = unescaped
		}
		if value != "" {
			return value, nil
		}
	}
	if isLink || strings.HasPrefix(link, "/") || strings.Contains(link, "://") || strings.HasPrefix(parameterName(link), "page[") {
		return "", errors.New("the link to another page holds no cursor")
	}
	return link, nil
}

// parameterName undoes the escapes of brackets, whole or cut short.
func parameterName(name string) string {
	return bracketEscapes.Replace(name)
}

var bracketEscapes = strings.NewReplacer("%5B", "[", "%5b", "[", "%5D", "]", "%5d", "]", "%5", "]")
