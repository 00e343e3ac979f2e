// Package consoletest drives the pages of package console in a real browser.
//
// It needs Chromium, and axe-core for the checks of accessibility; .ci/run sees
// to both. Without them the tests are skipped, unless AUDITLOG_REQUIRE_BROWSER is
// set. Environment:
//
//	AUDITLOG_CHROMIUM     the browser; chromium, chromium-browser or google-chrome in the path if unset
//	AUDITLOG_AXE          axe.min.js of axe-core
//	AUDITLOG_SCREENSHOTS  a folder for a picture of each tab, in light and dark, wide and on a phone
package consoletest
