// Package install does with the packages of a release what an administrator
// does: install, start what the unit says, upgrade, go back, remove, purge.
// .ci/install-test gives it a Debian of its own to do that in, whose changes
// are thrown away.
package install
