"""What everything stands on: types, pictures, channels, threads, files, errors. Imports nothing above itself."""
