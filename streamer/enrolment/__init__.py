"""Enrolment: pictures are examined and judged; faces are kept only with `--keep-crops`."""
