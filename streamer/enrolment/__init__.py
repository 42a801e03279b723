"""How people come into the gallery: pictures are looked at, judged and, only when asked for by name, kept."""
