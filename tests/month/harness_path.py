"""Finds the harness of the end-to-end tests, and what judges messages by the contract."""
import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(TESTS, "e2e"), os.path.join(TESTS, "contract")]
