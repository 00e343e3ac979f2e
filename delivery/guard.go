package delivery

import (
	"net/netip"
	"slices"
)

// Guard keeps deliveries away from addresses that are not on the public
// internet, so that whoever may choose an endpoint cannot reach into the
// network of the sender (server-side request forgery). It looks at the address
// that is about to be dialled, after the name was resolved.
//
// Refused are private, shared (carrier-grade NAT), loopback, link-local,
// multicast, documentation, benchmarking and reserved addresses, those of the
// clouds' metadata services, and IPv6 addresses that stand for such IPv4 ones:
// mapped, or translated by NAT64 (64:ff9b::/96). 6to4, Teredo and the NAT64
// prefix for local use are refused as a whole. (RFC 6890 and the registries of
// special-purpose addresses at IANA.) NAT64 under a prefix of the network's own
// cannot be told from other addresses.
//
// The zero Guard allows the public internet at any port.
type Guard struct {
	// Allow opens what would be refused. A prefix of IPv4 addresses also
	// allows their mapped and translated forms.
	Allow []netip.Prefix

	// Ports, where any are given, are the only ones that may be dialled;
	// Allow opens no others.
	Ports []uint16
}

// GuardError is the refusal of an address by a [Guard].
type GuardError struct {
	// Addr is the address that was refused. The text of the error does not
	// have it: whoever chose the endpoint should not learn from an error
	// message what a name resolves to inside the sender's network.
	Addr netip.AddrPort

	// Rule tells why, for instance "private network" or "port".
	Rule string
}

// Error implements error.
func (e *GuardError) Error() string { return "the dial guard refuses the address: " + e.Rule }

// Check returns a [*GuardError] where addr must not be dialled, else nil.
func (g *Guard) Check(addr netip.AddrPort) error {
	if len(g.Ports) > 0 && !slices.Contains(g.Ports, addr.Port()) {
		return &GuardError{Addr: addr, Rule: "port"}
	}
	ip := addr.Addr().WithZone("").Unmap()
	if g.allows(ip) {
		return nil
	}
	if nat64.Contains(ip) {
		b := ip.As16()
		if ip = netip.AddrFrom4([4]byte(b[12:])); g.allows(ip) {
			return nil
		}
	}
	for _, r := range guardRules {
		if r.prefix.Contains(ip) {
			return &GuardError{Addr: addr, Rule: r.rule}
		}
	}
	if ip.Is6() && !globalUnicast.Contains(ip) || !ip.IsValid() {
		return &GuardError{Addr: addr, Rule: "reserved"}
	}
	return nil
}

func (g *Guard) allows(ip netip.Addr) bool {
	return slices.ContainsFunc(g.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")

	// globalUnicast is all of IPv6 that has been given out for public use.
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

// guardRules has the more specific prefixes first, as the first match names
// the rule.
var guardRules = []struct {
	prefix netip.Prefix
	rule   string
}{
	{netip.MustParsePrefix("169.254.169.254/32"), "cloud metadata"},
	{netip.MustParsePrefix("169.254.170.2/32"), "cloud metadata"},   // Amazon ECS
	{netip.MustParsePrefix("168.63.129.16/32"), "cloud metadata"},   // Azure, a public address
	{netip.MustParsePrefix("100.100.100.200/32"), "cloud metadata"}, // Alibaba
	{netip.MustParsePrefix("192.0.0.192/32"), "cloud metadata"},     // Oracle
	{netip.MustParsePrefix("fd00:ec2::/32"), "cloud metadata"},      // Amazon
	{netip.MustParsePrefix("fd20:ce::254/128"), "cloud metadata"},   // Google

	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared address space"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("255.255.255.255/32"), "broadcast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64"},
	{netip.MustParsePrefix("2001::/32"), "Teredo"},
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking"},
	{netip.MustParsePrefix("2001::/23"), "reserved"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private network"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}
