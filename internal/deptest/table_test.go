package deptest_test

const module = "github.com/seed-6bcf82c5/auditlog"

// Third-party packages, each used by as few of ours as possible.
const (
	bbolt = "go.etcd.io/bbolt"
	gzip  = "github.com/klauspost/compress/gzip"
	rate  = "golang.org/x/time/rate"
	retry = "github.com/sethvargo/go-retry"
)

// table gives each package, by its path in the module ("" is the root), what it
// may import beside the standard library. It may list packages that do not exist
// yet; a package that it does not list is an error.
var table = map[string][]string{
	// The event model, and the leaves.
	"":                     {"cef"},
	"cef":                  {},
	"cef/internal/gendict": {},
	"status":               {},
	"webhook":              {"status"},
	"preset":               {"webhook"},
	"signature":            {},

	// Sending.
	"delivery":        {"webhook", "internal/httpretry", "internal/redact", gzip, rate, retry},
	"store":           {},
	"store/diskstore": {"store", "store/internal/core", bbolt, bbolt + "/errors"},
	"store/memstore":  {"store", "store/internal/core"},
	"store/storetest": {"store"},
	"shipper":         {"", "cef", "signature", "status", "webhook", "delivery", "store", "internal/httpretry", "internal/redact", rate, retry},

	// Configuring.
	"client":     {"", "cef", "status", "webhook", "internal/httpretry", "internal/redact"},
	"konnectapi": {"", "status", "webhook", "shipper", "store", rate},
	"console":    {"", "cef", "status", "webhook", "preset", "delivery", "store", "shipper", "internal/redact"},

	// Receiving.
	"receiver": {"", "cef", "signature", "store", "webhook", "internal/redact", gzip},

	// For tests, ours and other people's.
	"konnecttest":         {"", "status", "webhook", "delivery", "konnectapi", "shipper", "store", "store/memstore"},
	"internal/cefvectors": {"cef"},
	"internal/deptest":    {},
	"docs":                {}, // tests of what it says

	// Shared between packages that must not drift.
	"internal/httpretry":   {retry},
	"internal/redact":      {},
	"store/internal/core":  {"store", "store/internal/ready"},
	"store/internal/ready": {"store"},
}

// cefImports is all that package cef may import: what every plug-in host has.
var cefImports = []string{"bytes", "net/netip", "strconv", "time", "unicode/utf8"}

// testLibraries must not reach a program that is no test. A name stands for the
// packages below it too.
var testLibraries = []string{
	"testing",
	"github.com/google/go-cmp",
	"github.com/stretchr/testify",
	"go.uber.org/goleak",
}

// forTests are the packages meant for tests.
var forTests = []string{"konnecttest", "store/storetest"}
