"""Faults on purpose: damaged and hostile files, kills, full disks, cancels, two writers."""
