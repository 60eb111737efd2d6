/* A library of one function. VERSION makes its code, and with it its build-id, another one. */
int tiny_version(void)
{
    return VERSION;
}
