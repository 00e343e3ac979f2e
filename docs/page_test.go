package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// page is a document of this folder.
type page string

func open(t *testing.T, name string) page {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	require.NoError(t, err)
	return page(text)
}

// section returns what stands under a heading, without the sections below it
// that have headings of their own.
func (p page) section(t *testing.T, heading string) page {
	t.Helper()
	_, rest, found := strings.Cut("\n"+string(p), "\n"+heading+"\n")
	require.True(t, found, "there is no heading %q", heading)
	text, _, _ := strings.Cut(rest, "\n#")
	return page(text)
}

// rows returns the cells of the tables, without their heads.
func (p page) rows(t *testing.T) [][]string {
	t.Helper()
	var all [][]string
	head := true
	for line := range strings.Lines(string(p)) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case strings.HasPrefix(line, "|---"):
			head = false
		case !head:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			all = append(all, cells)
		}
	}
	require.NotEmpty(t, all, "there is no table")
	return all
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// code returns what stands between backquotes.
func code(text string) []string {
	var all []string
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// names returns what the first cells of the section's tables name, sorted.
func (p page) names(t *testing.T, heading string) []string {
	t.Helper()
	var all []string
	for _, cells := range p.section(t, heading).rows(t) {
		all = append(all, code(cells[0])...)
	}
	slices.Sort(all)
	return all
}

// anchor returns what a link to a heading has behind the #.
func anchor(heading string) string {
	text := strings.ToLower(strings.TrimLeft(heading, "# "))
	text = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(text, "")
	return strings.ReplaceAll(text, " ", "-")
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ .*$`)
)

// Every link inside the project leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	for _, name := range append(pages, more...) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, match := range link.FindAllStringSubmatch(string(open(t, name)), -1) {
				target, fragment, _ := strings.Cut(match[1], "#")
				if strings.Contains(target, "://") {
					continue
				}
				file := name
				if target != "" {
					file = filepath.Join(filepath.Dir(name), filepath.FromSlash(target))
				}
				_, err := os.Stat(file)
				require.NoError(t, err, match[1])
				if fragment == "" {
					continue
				}
				var anchors []string
				for _, h := range heading.FindAllString(string(open(t, file)), -1) {
					anchors = append(anchors, anchor(h))
				}
				require.Contains(t, anchors, fragment, match[1])
			}
		})
	}
}
